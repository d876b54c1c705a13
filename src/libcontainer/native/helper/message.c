// SPDX-License-Identifier: Apache-2.0
// Messages over SOCK_SEQPACKET sockets: a struct a message, with fds or without.

#include "message.h"

struct rights {
    size_t size;
    int level;
    int type;
    int32_t fds[LC_MAX_TAKEN];
};

int message_pass(int socket, struct lc_message *message, int fd, int flags)
{
    struct iovec part = {message, sizeof(*message)};
    struct rights rights = {offsetof(struct rights, fds[1]), SOL_SOCKET, SCM_RIGHTS,
                            {fd}};
    struct msghdr header = {.parts = &part, .nparts = 1};
    if (fd >= 0) {
        header.control = &rights;
        header.control_size = offsetof(struct rights, fds[2]);  // a multiple of 8
    }
    long sent;
    do
        sent = sys(sendmsg, socket, &header, flags | MSG_NOSIGNAL);
    while (sent == -EINTR);
    return sent < 0 ? (int)sent : 0;
}

// Where no fd is expected there is no room for any: the kernel drops what comes.
int message_receive(int socket, void *data, size_t size, int32_t *fds,
                    uint32_t *count)
{
    const uint32_t most = *count;
    struct rights rights = {0};
    struct iovec part = {data, size};
    struct msghdr header = {.parts = &part, .nparts = 1, .control = &rights};
    header.control_size = most > 0 ? sizeof(rights) : 0;
    int got;
    do
        got = sys(recvmsg, socket, &header, MSG_CMSG_CLOEXEC);
    while (got == -EINTR);
    *count = 0;
    if (rights.type == SCM_RIGHTS)
        *count = (uint32_t)(rights.size - offsetof(struct rights, fds)) / sizeof(*fds);
    if (*count > most)
        return -EPROTO;
    for (uint32_t i = 0; i < *count; i++)
        fds[i] = rights.fds[i];
    return got == 0 ? -EPIPE : got;
}

int message_take(int socket, int32_t *fds, uint32_t count)
{
    struct lc_message message = {0};
    uint32_t came = count;
    int got = message_receive(socket, &message, sizeof(message), fds, &came);
    if (got < 0)
        return got;
    return got == sizeof(message) && message.kind == LC_GO && came == count ? 0
                                                                            : -EPROTO;
}
