/* The shared memory of one instance: see slots.h. */
#include "daemon/front/slots.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int slot_make(struct slot *ret, struct err *e)
{
	CLEANUP(close_p) int fd = memfd_create("wasmd-slot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map;

	if (fd < 0 || ftruncate(fd, SLOT_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the rings of an instance");
	map = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(e, ERR_NOMEM, "no memory for the rings of an instance");
	*ret = (struct slot){ .map = map, .audit = slot_audit(map), .output = slot_output(map) };
	ret->fd = fd_take(&fd);
	(void)ring_sleep(&ret->audit);
	(void)ring_sleep(&ret->output);
	return 0;
}

int slot_adopt(int fd, struct slot *ret, struct err *e)
{
	CLEANUP(close_p) int own = fd;
	int seals = fcntl(own, F_GET_SEALS);
	struct stat st;
	void *map;

	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(own, &st) < 0 ||
	    st.st_size != SLOT_BYTES)
		return err_set(e, ERR_PEER, "the slot is no sealed memfd of %u bytes", SLOT_BYTES);
	map = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
	if (map == MAP_FAILED)
		return err_set(e, ERR_NOMEM, "no memory for the rings of an instance");
	*ret = (struct slot){
		.fd = -1, .map = map, .audit = slot_audit(map), .output = slot_output(map)
	};
	ret->audit.pos = atomic_load(&ret->audit.h->tail);
	ret->output.pos = atomic_load(&ret->output.h->tail);
	return 0;
}

void slot_logging(struct slot *s, uint64_t log_end)
{
	atomic_store(&slot_ctl(s->map)->log_tail, s->output.pos);
	atomic_store(&slot_ctl(s->map)->log_end, log_end);
}

/* The worker may have written here too: then its own log has a gap. */
void slot_logged(struct slot *s, uint64_t log_end)
{
	uint64_t tail = atomic_load(&slot_ctl(s->map)->log_tail);

	if (tail - s->output.pos > s->output.size ||
	    log_end < atomic_load(&slot_ctl(s->map)->log_end))
		return;
	s->output.pos = tail;
	ring_taken(&s->output);
}

void slot_done(struct slot *s)
{
	if (s->map == NULL)
		return;
	(void)munmap(s->map, SLOT_BYTES);
	fd_clear(&s->fd);
	*s = (struct slot){ .fd = -1 };
}

static void futex_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void slot_stop(struct slot *s)
{
	atomic_store(&slot_ctl(s->map)->stop, 1);
	futex_wake(&s->output.h->full);
	futex_wake(&s->audit.h->full);
}

void slot_room(struct ring *r)
{
	if (atomic_load(&r->h->full) != 0 && atomic_exchange(&r->h->full, 0) != 0)
		futex_wake(&r->h->full);
}

void slot_report(const struct slot *s, struct slot_report *ret)
{
	memcpy(ret, &slot_ctl(s->map)->report, sizeof(*ret));
	ret->message[sizeof(ret->message) - 1] = '\0';
}

bool slot_stopping(const struct slot *s)
{
	return atomic_load(&slot_ctl(s->map)->stop) != 0;
}

bool slot_blocked(const struct slot *s)
{
	return s->map != NULL && atomic_load(&slot_ctl(s->map)->blocked) != 0;
}
