/*
 * See call.h. Reads and writes with the two system calls that carry no
 * descriptors, for those are all that a worker has.
 */
#include "daemon/locked/call.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "daemon/ipc.h"

struct serving {
	const struct guest *g;
	int fd;
	const _Atomic uint32_t *stop;
	struct vm_trap_info *trap;
};

/* ---- the channel -------------------------------------------------------- */

/* Until there is something to read; false: the guest shall end. */
static bool wait_for_call(const struct serving *s)
{
	struct pollfd at = { .fd = s->fd, .events = POLLIN };
	sigset_t open;

	(void)sigprocmask(SIG_SETMASK, NULL, &open);
	(void)sigdelset(&open, SIGUSR1); /* so that a stop between look and wait is not lost */
	for (;;) {
		if (atomic_load(s->stop) != 0)
			return false;
		if (ppoll(&at, 1, NULL, &open) > 0)
			return true;
	}
}

/* false when the channel is closed, or speaks off the table. */
static bool receive(int fd, struct msg_call *m)
{
	uint32_t type;
	char buf[sizeof(type) + sizeof(*m) + 1]; /* one more: what is too long shows */
	ssize_t n;

	do
		n = read(fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(buf) - 1)
		return false;
	memcpy(&type, buf, sizeof(type));
	memcpy(m, buf + sizeof(type), sizeof(*m));
	return type == IPC_call && ipc_str_ok(m->name, sizeof(m->name)) && m->n_args <= CALL_VALUES;
}

static bool answer(int fd, const struct msg_call_done *d)
{
	const uint32_t type = IPC_call_done;
	char buf[sizeof(type) + sizeof(*d)];
	ssize_t n;

	memcpy(buf, &type, sizeof(type));
	memcpy(buf + sizeof(type), d, sizeof(*d));
	do
		n = write(fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(buf);
}

/* ---- values ------------------------------------------------------------- */

static const char *type_name(uint8_t t)
{
	return t == VM_I32   ? "i32"
	       : t == VM_I64 ? "i64"
	       : t == VM_F32 ? "f32"
	       : t == VM_F64 ? "f64"
			     : "no number";
}

static bool is_number(uint8_t t)
{
	return t <= VM_I32 && t >= VM_F64;
}

static uint64_t bits_of(union vm_value v, uint8_t t)
{
	return t == VM_I32 || t == VM_F32 ? v.i32 : v.bits;
}

static bool all_numbers(const uint8_t *types, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!is_number(types[i]))
			return false;
	return n <= CALL_VALUES;
}

static int check_types(const struct msg_call *m, const struct vm_func_type *t, struct err *e)
{
	if (!all_numbers(t->params, t->n_params) || !all_numbers(t->results, t->n_results))
		return err_set(e, ERR_USAGE,
			       "\"%s\" takes or returns what is no number, or more than %u of them",
			       m->name, CALL_VALUES);
	if (m->n_args != t->n_params)
		return err_set(e, ERR_USAGE, "\"%s\" takes %u arguments, not %u", m->name,
			       t->n_params, m->n_args);
	for (uint32_t i = 0; i < m->n_args; i++)
		if (m->types[i] > CALL_REAL && m->types[i] != t->params[i])
			return err_set(e, ERR_USAGE, "argument %u of \"%s\" is %s, not %s", i + 1,
				       m->name, type_name(t->params[i]), type_name(m->types[i]));
	return 0;
}

/* A number as a value of @type; false when it would become another one. */
static bool convert(uint8_t kind, uint64_t bits, uint8_t type, union vm_value *ret)
{
	int64_t whole = (int64_t)bits;
	double real = (double)whole;

	ret->bits = bits;
	if (kind != CALL_INT && kind != CALL_REAL)
		return true;
	if (kind == CALL_REAL)
		memcpy(&real, &bits, sizeof(real));
	ret->bits = type == VM_I32 ? (uint32_t)whole : bits;
	if (type == VM_F64)
		ret->f64 = real;
	if (type == VM_F32) {
		ret->bits = 0;
		ret->f32 = (float)real;
	}
	return type == VM_F32 || type == VM_F64 ||
	       (kind == CALL_INT &&
		(type == VM_I64 || (whole >= INT32_MIN && whole <= (int64_t)UINT32_MAX)));
}

static int take_args(const struct msg_call *m, const struct vm_func_type *t, union vm_value *v,
		     struct err *e)
{
	for (uint32_t i = 0; i < t->n_params; i++)
		if (!convert(m->types[i], m->args[i], t->params[i], &v[i]))
			return err_set(e, ERR_USAGE,
				       "argument %u of \"%s\" does not fit its type, %s", i + 1,
				       m->name, type_name(t->params[i]));
	return 0;
}

/* ---- one call ----------------------------------------------------------- */

static int find(const struct serving *s, const struct msg_call *m, struct vm_func **ret,
		struct err *e)
{
	struct vm_extern x;

	if (!vm_instance_export(s->g->instance, m->name, strlen(m->name), &x))
		return err_set(e, ERR_NOTFOUND, "the module exports no \"%s\"", m->name);
	if (x.kind != VM_FUNC)
		return err_set(e, ERR_USAGE, "the export \"%s\" is no function", m->name);
	*ret = x.func;
	return check_types(m, vm_func_type(x.func), e);
}

static void run(const struct serving *s, struct vm_func *f, union vm_value *v,
		struct msg_call_done *d)
{
	const struct vm_func_type *t = vm_func_type(f);

	d->trap = vm_call(s->g->store, f, v, s->trap);
	if (d->trap != VM_TRAP_NONE) {
		vm_trap_format(s->trap, d->message, sizeof(d->message));
		return;
	}
	d->n_results = t->n_results;
	for (uint32_t i = 0; i < t->n_results; i++) {
		d->types[i] = t->results[i];
		d->results[i] = bits_of(v[i], t->results[i]);
	}
}

static struct msg_call_done serve(const struct serving *s, const struct msg_call *m)
{
	struct msg_call_done d = { .id = m->id };
	union vm_value v[CALL_VALUES];
	struct vm_func *f = NULL;
	struct err e = { 0 };

	*s->trap = (struct vm_trap_info){ 0 };
	if (find(s, m, &f, &e) == 0 && take_args(m, vm_func_type(f), v, &e) == 0) {
		run(s, f, v, &d);
	} else {
		d.trap = CALL_REFUSED;
		(void)snprintf(d.message, sizeof(d.message), "%.255s", e.msg);
	}
	return d;
}

/* Traps that are the instance's end, not only the call's. */
static bool ends_guest(enum vm_trap t)
{
	return t == VM_TRAP_EXIT || t == VM_TRAP_STOPPED || t == VM_TRAP_FUEL ||
	       t == VM_TRAP_KILLED || t == VM_TRAP_LIMIT;
}

void calls_serve(const struct guest *g, int fd, const _Atomic uint32_t *stop,
		 struct vm_trap_info *trap)
{
	const struct serving s = { g, fd, stop, trap };
	struct msg_call m;

	while (wait_for_call(&s)) {
		struct msg_call_done d;

		*trap = (struct vm_trap_info){ 0 };
		if (!receive(fd, &m))
			return;
		d = serve(&s, &m);
		if (!answer(fd, &d) || ends_guest(trap->trap))
			return;
	}
	*trap = (struct vm_trap_info){ .trap = VM_TRAP_STOPPED };
}
