/*
 * Works in the directory named: writes a file, reads it back, appends, cuts,
 * renames, links, lists and removes. Prints "rw: ok", or the step that failed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP(what)                                                               \
	do {                                                                     \
		errno = 0;                                                       \
		if (!(what)) {                                                   \
			fprintf(stderr, "rw: %s: %s\n", #what, strerror(errno)); \
			exit(1);                                                 \
		}                                                                \
	} while (0)

static char buf[300000], back[300000];

static void write_and_read(void)
{
	int fd;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 31 + i / 255);
	STEP((fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0644)) >= 0);
	STEP(write(fd, buf, sizeof(buf)) == sizeof(buf));
	STEP(lseek(fd, 0, SEEK_SET) == 0);
	STEP(read(fd, back, sizeof(back)) == sizeof(back));
	STEP(memcmp(buf, back, sizeof(buf)) == 0);
	STEP(pwrite(fd, "hole", 4, 400000) == 4);
	STEP(pread(fd, back, 8, 399996) == 8 && memcmp(back, "\0\0\0\0hole", 8) == 0);
	STEP(ftruncate(fd, 10) == 0);
	STEP(lseek(fd, 0, SEEK_END) == 10);
	STEP(fsync(fd) == 0 && fdatasync(fd) == 0);
	STEP(close(fd) == 0);
}

static void append_and_stat(void)
{
	const struct timespec ts[2] = { { 1000, 5 }, { 2000, 7 } };
	struct stat st;
	int fd;

	STEP((fd = open("file", O_WRONLY | O_APPEND)) >= 0);
	STEP(write(fd, "tail", 4) == 4);
	STEP(futimens(fd, ts) == 0);
	STEP(fstat(fd, &st) == 0 && st.st_size == 14 && st.st_mtim.tv_sec == 2000);
	STEP(close(fd) == 0);
	STEP((fd = open("file", O_WRONLY | O_TRUNC)) >= 0);
	STEP(fstat(fd, &st) == 0 && st.st_size == 0);
	STEP(close(fd) == 0);
}

static void names(void)
{
	struct stat st;
	char target[20];

	STEP(mkdir("dir", 0755) == 0);
	STEP(mkdir("dir", 0755) < 0 && errno == EEXIST);
	STEP(rename("file", "dir/moved") == 0);
	STEP(link("dir/moved", "hard") == 0);
	STEP(stat("hard", &st) == 0 && st.st_nlink == 2);
	STEP(symlink("dir/moved", "soft") == 0);
	STEP(readlink("soft", target, sizeof(target)) == 9 && memcmp(target, "dir/moved", 9) == 0);
	STEP(stat("soft", &st) == 0 && S_ISREG(st.st_mode));
	STEP(lstat("soft", &st) == 0 && S_ISLNK(st.st_mode));
	STEP(rmdir("dir") < 0 && errno == ENOTEMPTY);
	STEP(unlink("soft") == 0 && unlink("hard") == 0 && unlink("dir/moved") == 0);
	STEP(rmdir("dir") == 0);
}

static void listing(void)
{
	char name[30];
	int n = 0, fd;
	DIR *d;

	STEP(mkdir("many", 0755) == 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/file-number-%d", i);
		STEP((fd = open(name, O_WRONLY | O_CREAT, 0644)) >= 0 && close(fd) == 0);
	}
	STEP((d = opendir("many")) != NULL);
	while (readdir(d) != NULL)
		n++;
	STEP(n == 502);
	closedir(d);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/file-number-%d", i);
		STEP(unlink(name) == 0);
	}
	STEP(rmdir("many") == 0);
}

int main(int argc, char **argv)
{
	STEP(argc == 2 && chdir(argv[1]) == 0);
	write_and_read();
	append_and_stat();
	names();
	listing();
	puts("rw: ok");
	return 0;
}
