/*
 * Load for the daemon's socket: CLIENTS connections, each sending the same
 * request again as soon as its answer is there, for SECONDS. Prints requests
 * per second, p50 and p99 of the latency in microseconds, and p50 and p99 of
 * the answers' own "start_ns" (0 where they have none).
 *
 * usage: bench-http SOCKET METHOD PATH CLIENTS SECONDS
 *
 * SOCKET "-" is the bare reference: for each client a process that answers
 * whatever comes with as many bytes as an instance has, and does nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define MAX_SAMPLES 400000

struct client {
	const char *socket;
	const char *request;
	uint64_t until;
	uint64_t *latency, *start;
	size_t n;
	const char *failed;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int dial(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path))
		return -1;
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void answer_bare(int fd)
{
	char in[4096], body[720], out[1024];
	int n;

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	n = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		     strlen(body), body);
	while (recv(fd, in, sizeof(in), 0) > 0 && send(fd, out, (size_t)n, MSG_NOSIGNAL) == n)
		;
	_exit(0);
}

static int dial_bare(void)
{
	int ends[2];
	pid_t child = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? fork() : -1;

	if (child == 0) {
		(void)close(ends[0]);
		answer_bare(ends[1]);
	}
	if (child < 0)
		return -1;
	(void)close(ends[1]);
	return ends[0];
}

/* Bytes that the answer at @buf will have, or 0 while its head is not whole. */
static size_t answer_size(char *buf)
{
	char *end = strstr(buf, "\r\n\r\n");
	char *len;

	if (end == NULL)
		return 0;
	*end = '\0';
	len = strcasestr(buf, "\r\nContent-Length:");
	*end = '\r';
	return (size_t)(end + 4 - buf) + (len != NULL ? strtoul(len + 17, NULL, 10) : 0);
}

static const char *one(struct client *c, int fd)
{
	char buf[65536];
	size_t have = 0, want = 0;
	uint64_t t = now_ns();
	const char *start;

	if (send(fd, c->request, strlen(c->request), MSG_NOSIGNAL) < 0)
		return "send";
	do {
		ssize_t n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0);

		if (n <= 0)
			return "the connection ended";
		have += (size_t)n;
		buf[have] = '\0';
		want = want != 0 ? want : answer_size(buf);
	} while (want == 0 || have < want);
	if (strncmp(buf, "HTTP/1.1 200", 12) != 0)
		return "an answer that is not 200";
	if (c->n < MAX_SAMPLES) {
		start = strstr(buf, "\"start_ns\":");
		c->latency[c->n] = now_ns() - t;
		c->start[c->n++] = start != NULL ? strtoull(start + 11, NULL, 10) : 0;
	}
	return NULL;
}

static void *client_run(void *arg)
{
	struct client *c = arg;
	int fd = strcmp(c->socket, "-") == 0 ? dial_bare() : dial(c->socket);

	if (fd < 0)
		c->failed = "connect";
	while (c->failed == NULL && now_ns() < c->until)
		c->failed = one(c, fd);
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double quantile(uint64_t *v, size_t n, size_t percent)
{
	qsort(v, n, sizeof(v[0]), by_value);
	return n != 0 ? (double)v[n * percent / 100] / 1e3 : 0;
}

/* Puts all clients' samples behind each other in the first one's arrays. */
static size_t gather(struct client *c, size_t n)
{
	size_t all = c[0].n;

	for (size_t i = 1; i < n; i++) {
		memmove(c[0].latency + all, c[i].latency, c[i].n * sizeof(uint64_t));
		memmove(c[0].start + all, c[i].start, c[i].n * sizeof(uint64_t));
		all += c[i].n;
	}
	return all;
}

int main(int argc, char **argv)
{
	static struct client c[MAX_CLIENTS];
	pthread_t thread[MAX_CLIENTS];
	size_t n = argc == 6 ? strtoul(argv[4], NULL, 10) : 0, all;
	double seconds = argc == 6 ? strtod(argv[5], NULL) : 0;
	uint64_t *room = calloc(2u * MAX_CLIENTS, MAX_SAMPLES * sizeof(uint64_t));
	char request[4096];

	if (n == 0 || n > MAX_CLIENTS || room == NULL) {
		(void)fprintf(stderr, "usage: bench-http SOCKET METHOD PATH CLIENTS SECONDS\n");
		return 2;
	}
	(void)snprintf(request, sizeof(request),
		       "%s %s HTTP/1.1\r\nHost: wasmd\r\nContent-Length: 0\r\n\r\n", argv[2],
		       argv[3]);
	for (size_t i = 0; i < n; i++) {
		c[i] = (struct client){ .socket = argv[1],
					.request = request,
					.until = now_ns() + (uint64_t)(seconds * 1e9),
					.latency = room + i * MAX_SAMPLES,
					.start = room + (MAX_CLIENTS + i) * MAX_SAMPLES };
		if (pthread_create(&thread[i], NULL, client_run, &c[i]) != 0)
			return 1;
	}
	for (size_t i = 0; i < n; i++) {
		(void)pthread_join(thread[i], NULL);
		if (c[i].failed != NULL)
			(void)fprintf(stderr, "bench-http: client %zu: %s\n", i, c[i].failed);
	}
	all = gather(c, n);
	printf("%.0f %.1f %.1f %.1f %.1f\n", (double)all / seconds, quantile(c[0].latency, all, 50),
	       quantile(c[0].latency, all, 99), quantile(c[0].start, all, 50),
	       quantile(c[0].start, all, 99));
	free(room);
	return all == 0;
}
