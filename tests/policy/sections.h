/*
 * Test files in sections: a line that begins with the marker ("--- " or
 * "-- ") names one, its text goes to the next marker. Lines before the first
 * are comment.
 */
#ifndef TEST_SECTIONS_H
#define TEST_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sections {
	char *text; /* owned; the marker lines are cut into names */
	const char *name[8], *body[8];
	size_t n;
};

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (f == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, f) == 0) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	(void)fclose(f);
	return text;
}

static struct sections sections_read(const char *path, const char *marker)
{
	struct sections s = { .text = read_all(path) };
	char *line = s.text, *next;

	for (; line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			next++;
		if (strncmp(line, marker, strlen(marker)) != 0 || s.n == 8)
			continue;
		*line = '\0'; /* ends the section before */
		s.name[s.n] = line + strlen(marker);
		s.body[s.n++] = next != NULL ? next : "";
		if (next != NULL)
			next[-1] = '\0';
	}
	return s;
}

static const char *section(const struct sections *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->name[i], name) == 0)
			return s->body[i];
	return NULL;
}

static void sections_done(struct sections *s)
{
	free(s->text);
}

#endif
