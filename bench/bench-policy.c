/*
 * What a gate decision costs: a plain allow, twenty rules on the called
 * operation with the last one matching, path rules, and the same twenty in
 * C beside them. Prints a table; the best of several rounds counts.
 */
#include <errno.h>
#include <time.h>

#include "policy/prog.h"
#include "wasmd/policy.h"

#define ROUNDS 200 /* short ones: the best is one that nothing interrupted */
#define CALLS  10000

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

typedef int decide_fn(void *arg, const struct gate_req *q);

static int by_judge(void *arg, const struct gate_req *q)
{
	return policy_judge(arg, q).value;
}

/* The twenty rules as a compiler would have them, asked as ours are: through a
 * pointer, with a verdict that names the rule. */
static struct policy_verdict hand_verdict(const int64_t *fds, const struct gate_req *q)
{
	if (q->op != GATE_OP_fd_write)
		return (struct policy_verdict){ .rule = POLICY_NO_RULE };
	for (uint32_t i = 0; i < 20; i++) {
		__asm__ volatile("" : : : "memory"); /* rules are looked at one by one */
		if (q->obj[0].fd == (uint64_t)fds[i])
			return (struct policy_verdict){ -EACCES, i, true, false };
	}
	return (struct policy_verdict){ .rule = POLICY_NO_RULE };
}

static struct policy_verdict (*volatile hand)(const int64_t *,
					      const struct gate_req *) = hand_verdict;

static int by_hand(void *arg, const struct gate_req *q)
{
	return hand(arg, q).value;
}

static double best_ns(decide_fn *decide, void *arg, const struct gate_req *q, int want)
{
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t t = now_ns();
		double ns;

		for (int i = 0; i < CALLS; i++) {
			__asm__ volatile("" : : : "memory");
			if (decide(arg, q) != want)
				return -1;
		}
		ns = (double)(now_ns() - t) / CALLS;
		best = ns < best ? ns : best;
	}
	return best;
}

/* A policy of @n rules, each @rule with its number in place of %d. */
static void make_text(char *text, size_t size, int n, const char *rule)
{
	size_t at = (size_t)snprintf(text, size, "{\"rules\": [");

	for (int i = 0; i < n; i++) {
		at += (size_t)snprintf(text + at, size - at, "%s", i != 0 ? "," : "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		at += (size_t)snprintf(text + at, size - at, rule, i + 3);
#pragma GCC diagnostic pop
	}
	(void)snprintf(text + at, size - at, "]}");
}

struct made {
	struct policy *p;
	void *image;
	size_t len;
	struct policy_judge *j;
};

static struct made make(const char *text)
{
	static const char *const base[] = { "exit_group", NULL };
	struct made m = { 0 };
	struct err e = { 0 };

	if (policy_parse(text, strlen(text), &m.p, &e) < 0 ||
	    policy_compile(m.p, base, &m.image, &m.len, &e) < 0 ||
	    policy_load(m.image, m.len, &m.j, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	return m;
}

static void done(struct made m)
{
	(void)policy_judge_free(m.j);
	(void)policy_free(m.p);
	free(m.image);
}

static void report(const char *what, double ns)
{
	printf("%-52s %8.1f ns\n", what, ns);
}

/* A line for machines, as bench/run.py reads them. */
static void bar(const char *name, double ns, double limit)
{
	printf("bar policy.%s %.1f %.0f %s\n", name, ns, limit, ns <= limit ? "ok" : "short");
}

static double bench(const char *what, int n, const char *rule, const struct gate_req *q, int want)
{
	char text[64 << 10];
	struct made m;
	double ns;

	make_text(text, sizeof(text), n, rule);
	m = make(text);
	ns = best_ns(by_judge, m.j, q, want);
	report(what, ns);
	done(m);
	return ns;
}

/* 100 rules, from text to a judge that answers. */
static void bench_load(void)
{
	char text[64 << 10];
	double best = 1e12;

	make_text(text, sizeof(text), 100,
		  "{\"on\": \"fs.write\", \"path\": \"/out/%d/**\", \"then\": \"deny\"}");
	for (int round = 0; round < 10; round++) {
		uint64_t t = now_ns();
		double ns;

		done(make(text));
		ns = (double)(now_ns() - t);
		best = ns < best ? ns : best;
	}
	report("100 path rules: text to judge", best);
}

/* The verifier on 4,096 instructions, branchier than compiled rules are. */
static double verify_ms(const struct insn *at, size_t n, uint64_t *ret_worst)
{
	struct prog_world world = prog_world_gate(0);
	double best = 1e9;

	for (int round = 0; round < 10; round++) {
		uint64_t t = now_ns();
		struct verified_prog *p;
		struct err e = { 0 };
		double ms;

		if (prog_verify(at, n, &world, 0, &p, &e) < 0) {
			fprintf(stderr, "%s\n", e.msg);
			exit(1);
		}
		ms = (double)(now_ns() - t) / 1e6;
		*ret_worst = prog_worst(p);
		(void)prog_free(p);
		best = ms < best ? ms : best;
	}
	return best;
}

static double bench_verify(void)
{
	static const struct insn branch[] = {
		{ INSN_ldxdw, 2, 1, offsetof(struct gate_req, len), 0 },
		{ INSN_jgt64_k, 2, 0, 2, 100 },
		{ INSN_add64_x, 0, 2, 0, 0 },
		{ INSN_stxdw, 10, 0, -8, 0 },
	};
	struct insn at[4096] = { { INSN_mov64_k, 0, 0, 0, 0 } };
	uint64_t worst;
	double ms;

	for (size_t i = 1; i + 1 < ARRAY_LEN(at); i++)
		at[i] = branch[(i - 1) % 4];
	at[4094] = (struct insn){ INSN_mov64_k, 0, 0, 0, 0 };
	at[4093] = at[4092] = at[4094];
	at[4095] = (struct insn){ INSN_exit, 0, 0, 0, 0 };
	ms = verify_ms(at, ARRAY_LEN(at), &worst);
	printf("%-52s %8.3f ms, at worst %llu instructions\n", "verify 4,096 instructions", ms,
	       (unsigned long long)worst);
	return ms;
}

int main(void)
{
	static const char path[] = "/out/photos/2024/summer/beach/IMG_0001.jpeg";
	int64_t fds[20];
	double plain, others, decision, glob, verify;
	struct gate_req q = { .op = GATE_OP_fd_write,
			      .obj[0] = { .fd = 22,
					  .class = GATE_CLASS_FILE,
					  .path = path,
					  .path_len = sizeof(path) - 1,
					  .sets = GATE_FS_WRITE } };
	const char *by_fd = "{\"on\": \"fd_write\", \"fd\": %d, \"then\": \"deny\"}";

	for (int i = 0; i < 20; i++)
		fds[i] = i + 3;
	plain = bench("plain allow, no rules", 0, "", &q, 0);
	others = bench("plain allow, rules on other operations", 20,
		       "{\"on\": \"fd_read\", \"fd\": %d, \"then\": \"deny\"}", &q, 0);
	decision = bench("20 rules on the operation, the last one matches", 20, by_fd, &q, -EACCES);
	report("the same in C", best_ns(by_hand, fds, &q, -EACCES));
	(void)bench("one exact path, no match", 1,
		    "{\"on\": \"fs.write\", \"path\": \"/out/%d/x\", \"then\": \"deny\"}", &q, 0);
	glob = bench(
		"one glob /out/**/*.jpeg, match", 1,
		"{\"id\": \"r%d\", \"on\": \"fs.write\", \"path\": \"/out/**/*.jpeg\", \"then\": "
		"\"deny\"}",
		&q, -EACCES);
	(void)bench("20 globs, no match", 20,
		    "{\"on\": \"fs.write\", \"path\": \"/out/**/*.%d\", \"then\": \"deny\"}", &q,
		    0);
	bench_load();
	verify = bench_verify();
	bar("verify_4096_ms", verify, 10);
	bar("decision_20_ns", decision, 50);
	bar("plain_allow_ns", plain > others ? plain : others, 15);
	bar("glob_43_bytes_ns", glob, 150);
	return 0;
}
