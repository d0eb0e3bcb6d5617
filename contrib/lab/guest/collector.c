/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * collector - writes down the guests' heartbeats, each with the time at which the kernel got it.
 *
 * usage: collector PORT FILE
 *
 * A line of FILE: microseconds of the wall clock, a space, the datagram. A guest's own clock stands
 * still while the guest does, so only arrival times tell how long it was silent.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define RECEIVE_BUFFER_BYTES (8 << 20)

static int
open_socket(uint16_t port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    int buffer_bytes = RECEIVE_BUFFER_BYTES;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    /* The kernel's time of arrival does not depend on when this process gets to run. */
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) {
        perror("collector: bind");
        exit(1);
    }
    return fd;
}

static uint64_t
arrival_us(struct msghdr *message)
{
    struct timespec arrival;

    clock_gettime(CLOCK_REALTIME, &arrival);
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&arrival, CMSG_DATA(part), sizeof arrival);
    }
    return (uint64_t)arrival.tv_sec * 1000000u + (uint64_t)arrival.tv_nsec / 1000u;
}

static void
collect(int fd, FILE *file)
{
    char text[2048];
    char control[CMSG_SPACE(sizeof(struct timespec))];

    for (;;) {
        struct iovec part = {.iov_base = text, .iov_len = sizeof text - 1};
        struct msghdr message = {
            .msg_iov = &part,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof control,
        };
        ssize_t length = recvmsg(fd, &message, 0);

        if (length <= 0)
            continue;
        text[length] = '\0';
        fprintf(file, "%ju %s", (uintmax_t)arrival_us(&message), text);
        fflush(file);
    }
}

int
main(int argc, char **argv)
{
    FILE *file;

    if (argc != 3) {
        fputs("usage: collector PORT FILE\n", stderr);
        return 2;
    }
    file = fopen(argv[2], "a");
    if (!file) {
        perror(argv[2]);
        return 1;
    }
    collect(open_socket((uint16_t)atoi(argv[1])), file);
}
