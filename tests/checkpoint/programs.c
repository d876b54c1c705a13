/* SPDX-License-Identifier: Apache-2.0
 * Programs that are checkpointed: "count" says one number after another, "tcp"
 * has a server and a client that talk over one connection the whole time, "talk"
 * talks with a server outside, "unix" with a datagram socket, "lock" holds a lock,
 * "ghost" writes to a file that has no name any more. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void pause_a_bit(void) { usleep(20000); }

static void count(int fd)
{
	for (int n = 1;; n++) {
		dprintf(fd, "%d\n", n);
		pause_a_bit();
	}
}

static int serve(int listening)
{
	int n, one = accept(listening, NULL, NULL);

	while (read(one, &n, sizeof n) == sizeof n) {
		n++;
		if (write(one, &n, sizeof n) != sizeof n)
			break;
	}
	return 1;
}

static int tcp(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7000)};
	int listening = socket(AF_INET, SOCK_STREAM, 0), n = 0, one;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listening, (void *)&at, sizeof at) || listen(listening, 1))
		return 1;
	if (fork() == 0)
		return serve(listening);
	close(listening);
	one = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(one, (void *)&at, sizeof at))
		return 1;
	for (;;) {
		if (write(one, &n, sizeof n) != sizeof n)
			return 2;
		if (read(one, &n, sizeof n) != sizeof n)
			return 3;
		dprintf(1, "%d\n", n);
		pause_a_bit();
	}
}

/* Says numbers to a server outside, which answers each with the next. */
static int talk(const char *address)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7001)};
	int n = 0, one = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return 1;
	if (connect(one, (void *)&at, sizeof at))
		return 1;
	for (;;) {
		if (write(one, &n, sizeof n) != sizeof n)
			return 2;
		if (read(one, &n, sizeof n) != sizeof n)
			return 3;
		pause_a_bit();
	}
}

/* Sends numbers to a datagram socket outside. */
static int unix_socket(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int one = socket(AF_UNIX, SOCK_DGRAM, 0);

	strncpy(at.sun_path, path, sizeof at.sun_path - 1);
	if (connect(one, (void *)&at, sizeof at))
		return 1;
	for (int n = 1;; n++) {
		if (write(one, &n, sizeof n) != sizeof n)
			return 2;
		pause_a_bit();
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "count";

	if (strcmp(what, "tcp") == 0)
		return tcp();
	if (strcmp(what, "talk") == 0)
		return talk(argv[2]);
	if (strcmp(what, "unix") == 0)
		return unix_socket(argv[2]);
	if (strcmp(what, "lock") == 0) {
		int fd = open("/tmp/lock", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

		if (fd < 0 || flock(fd, LOCK_EX))
			return 1;
		count(1);
	}
	if (strcmp(what, "ghost") == 0) {
		int fd = open("/tmp/ghost", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

		if (fd < 0 || unlink("/tmp/ghost"))
			return 1;
		dprintf(fd, "kept");
		for (int n = 1;; n++) {
			char text[5] = "";

			if (pread(fd, text, 4, 0) != 4)
				return 2;
			dprintf(1, "%d %s\n", n, text);
			pause_a_bit();
		}
	}
	count(1);
	return 0;
}
