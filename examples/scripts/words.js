// Reads itself: strings, regular expressions, sorting, closures, JSON.
var text = read("/scripts/words.js");
var count = {};
text.toLowerCase().replace(/[a-z]+/g, function (word) {
  count[word] = (count[word] || 0) + 1;
  return word;
});
var names = Object.keys(count).sort();
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
print(JSON.stringify({ length: text.length, sorted: names, fib: fib(22) }));
