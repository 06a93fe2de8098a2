/*
 * Images: what data segments wrote, moved to a file in memory that is mapped
 * privately in its place. A fork copies no page tables for it, and children
 * share its pages until they write to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm/store.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int failed(const char *what, struct err *e)
{
	return err_set(e, ERR_NOMEM, "an image of the memory, %s: %s", what, strerror(errno));
}

/* Active segments of memory @x, all together. */
static uint64_t data_bytes(const struct vm_instance *in, size_t x)
{
	const struct vm_module *m = in->code->m;
	uint64_t n = 0;

	for (size_t i = 0; i < m->datas.len; i++)
		if (m->datas.at[i].mode == SEG_ACTIVE && m->datas.at[i].memory == x)
			n += m->datas.at[i].bytes.len;
	return n;
}

static int copy(int fd, const struct vm_memory *mem, uint64_t at, uint64_t n, struct err *e)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, mem->base + at, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return failed("writing", e);
		at += (uint64_t)done;
		n -= (uint64_t)done;
	}
	return 0;
}

/* From the memory, not from the segments: they may overlap. */
static int fill(int fd, const struct vm_instance *in, size_t x, struct err *e)
{
	const struct vm_module *m = in->code->m;

	for (size_t i = 0; i < m->datas.len; i++) {
		const struct mod_data *d = &m->datas.at[i];

		if (d->mode != SEG_ACTIVE || d->memory != x)
			continue;
		if (copy(fd, in->memories[x], const_eval(in, d->offset).u32, d->bytes.len, e) < 0)
			return e->code;
	}
	return 0;
}

static int make(const struct vm_instance *in, size_t x, struct err *e)
{
	struct vm_memory *mem = in->memories[x];
	CLEANUP(close_p)
	int fd = fault_hit() ? -1 : memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)mem->size) < 0)
		return failed("a file", e);
	if (fill(fd, in, x, e) < 0)
		return e->code;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return failed("sealing", e);
	if (mmap(mem->base, mem->size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		return failed("mapping", e);
	return 0;
}

int vm_instance_image(struct vm_instance *in, uint64_t least, struct err *e)
{
	size_t first = in->code->m->n_imported[VM_MEMORY];

	if (in->started)
		return err_set(e, ERR_STATE, "an image is made before the start function ran");
	for (size_t x = first; x < in->code->m->memories.len; x++)
		if (data_bytes(in, x) >= least && in->memories[x]->size != 0 && make(in, x, e) < 0)
			return e->code;
	return 0;
}
