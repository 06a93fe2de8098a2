module counter(input clk, input rst, input en, output reg [7:0] q, output full);
  always @(posedge clk)
    if (rst) q <= 0;
    else if (en) q <= q + 1;
  assign full = &q;
endmodule
