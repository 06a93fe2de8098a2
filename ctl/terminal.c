/*
 * The terminal as it was found. A guest that has our standard streams can set
 * their flags (O_NONBLOCK would break the shell behind us); its terminal modes
 * it cannot reach, those we set ourselves for attach.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

#include "ctl/ctl.h"

#define CTRL_Q 0x11

struct terminal {
	int flags[3]; /* -1: not open */
	bool is_terminal;
	struct termios modes; /* of standard input */
};

struct terminal *terminal_keep(void)
{
	struct terminal *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	for (int fd = 0; fd < 3; fd++)
		t->flags[fd] = fcntl(fd, F_GETFL);
	t->is_terminal = tcgetattr(STDIN_FILENO, &t->modes) == 0;
	return t;
}

/* The line discipline goes on editing and echoing, since the guest reads a
 * pipe; ctrl-q ends a line so that it is read at once, and is not XON. */
void terminal_attach(const struct terminal *t)
{
	struct termios modes;

	if (t == NULL || !t->is_terminal)
		return;
	modes = t->modes;
	modes.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
	modes.c_cc[VEOL2] = CTRL_Q;
	modes.c_lflag |= IEXTEN;
	/* A guest that moves the cursor may have these characters bound. */
	modes.c_cc[VREPRINT] = _POSIX_VDISABLE;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
}

void terminal_restore(const struct terminal *t)
{
	if (t == NULL)
		return;
	for (int fd = 0; fd < 3; fd++)
		if (t->flags[fd] >= 0 && fcntl(fd, F_GETFL) != t->flags[fd])
			(void)fcntl(fd, F_SETFL, t->flags[fd]);
	if (t->is_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->modes);
}

struct terminal *terminal_free(struct terminal *t)
{
	terminal_restore(t);
	free(t);
	return NULL;
}
