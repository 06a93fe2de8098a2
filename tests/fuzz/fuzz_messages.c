/*
 * Any bytes as messages between our processes, to the real receivers: what the
 * front hears from priv, zygotes and workers, priv from the front and openers,
 * a worker from the front. A peer may lie in every byte, send any number of
 * descriptors and speak out of turn; it is dropped or answered, nothing leaks.
 */
#include "tests/fuzz/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define FDS_LOW 64 /* descriptors below are a worker's to arrange */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t body_len(uint8_t type)
{
	switch (type) {
#define MSG(name, num, from, to, fds, why) \
	case num:                          \
		return sizeof(struct msg_##name);
		WASMD_MSGS(MSG)
#undef MSG
	default:
		return 0;
	}
}

bool script_next(struct script *s, struct bent *b)
{
	const uint8_t *p = s->p;

	if (s->end - p < 6 || s->n++ >= SCRIPT_MAX)
		return false;
	*b = (struct bent){ .to = p[0],
			    .n_fds = p[1] & 63,
			    .kind = p[1] >> 6,
			    .bend = p[2],
			    .type = p[3],
			    .len = (uint16_t)(p[4] | p[5] << 8),
			    .bytes = p + 6 };
	if (b->len > s->end - b->bytes)
		b->len = (uint16_t)(s->end - b->bytes);
	s->p = b->bytes + b->len;
	if ((b->bend & BEND_FIT) != 0 && b->len > body_len(b->type)) {
		b->more = b->bytes + body_len(b->type);
		b->n_more = b->len - body_len(b->type);
	}
	return true;
}

void bent_send(int fd, const struct bent *b, const int *fds)
{
	uint8_t buf[4 + UINT16_MAX] = { b->type };
	size_t len = (b->bend & BEND_FIT) != 0 ? body_len(b->type) : b->len;
	size_t have = len < b->len ? len : b->len;
	struct iovec iov = { buf, 4 + len };
	char room[CMSG_SPACE(sizeof(int) * 64)] __attribute__((aligned(8))) = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (have != 0)
		memcpy(buf + 4, b->bytes, have);
	if ((b->bend & BEND_BARE) != 0)
		iov = (struct iovec){ buf + 4, len };
	if (b->n_fds != 0) {
		struct cmsghdr *c = (void *)room;

		mh.msg_control = room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * b->n_fds);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(int) * b->n_fds) };
		memcpy(CMSG_DATA(c), fds, sizeof(int) * b->n_fds);
	}
	(void)!sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int lowest_free(void)
{
	int fd = fcntl(FDS_LOW - 1, F_DUPFD_CLOEXEC, 0);

	(void)close(fd);
	return fd;
}

int memfd_with(const void *bytes, size_t len, bool seal)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || (len != 0 && write(fd, bytes, len) != (ssize_t)len) ||
	    (seal && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0))
		abort();
	return fd;
}

int null_fd(void)
{
	return FDS_LOW - 1;
}

static void (*const receivers[])(struct script *) = { fuzz_front, fuzz_priv, fuzz_opener_answer,
						      fuzz_start, fuzz_calls };

/* Every low number is taken, so that ours are high; SIGPIPE is what it is for
 * all receivers; what is made once is made. */
static void prepare(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 3; i < FDS_LOW; i++)
		if (i != fd && fcntl(i, F_GETFD) < 0 && dup3(fd, i, O_CLOEXEC) < 0)
			abort();
	if (fd >= FDS_LOW)
		(void)close(fd);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(receivers); i++)
		receivers[i](&(struct script){ 0 });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool prepared;
	struct script s = { data + 1, data + len, 0 };
	int before;

	if (!prepared)
		prepare();
	prepared = true;
	if (len == 0)
		return 0;
	before = lowest_free();
	receivers[data[0] % ARRAY_LEN(receivers)](&s);
	if (lowest_free() != before)
		abort(); /* a descriptor was lost */
	return 0;
}
