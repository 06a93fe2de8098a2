/* Assembles standard input to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/asm.h"

int main(void)
{
	struct insn_list code;
	struct err e = { 0 };
	char *text = NULL;
	size_t size = 0;
	int r = 1;

	if (getdelim(&text, &size, '\0', stdin) > 0 && prog_asm(text, &code, &e) == 0) {
		r = fwrite(code.at, sizeof(code.at[0]), code.len, stdout) != code.len;
		VEC_DONE(&code);
	} else {
		fprintf(stderr, "%s\n", e.msg);
	}
	free(text);
	return r;
}
