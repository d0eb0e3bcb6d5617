/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stop-at - an LD_PRELOAD library for tests: stops the whole process (SIGSTOP) at libvirt's migrate
 * call, so that a test can look at the world of that very moment and then kill or continue it.
 *
 * STOP_AT=before: the intent is made, nothing is sent. STOP_AT=send: questions to the daemon are
 * answered, the call itself is about to be written to its socket. STOP_AT=after: the call has come
 * back and nobody has been told. Only the first call of a process stops.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What libvirt asks before the call has less, the call with its URIs and parameters more. */
#define CALL_BYTES_MIN 150

typedef int (*MigrateCall)(virDomainPtr domain, const char *peer_uri,
                           virTypedParameterPtr parameters, unsigned int count, unsigned int flags);

static atomic_flag stopped = ATOMIC_FLAG_INIT;
static _Thread_local bool in_call;

static void
stop_if(const char *moment, bool is_it)
{
    const char *wanted = getenv("STOP_AT");

    if (wanted != NULL && strcmp(wanted, moment) == 0 && is_it &&
        !atomic_flag_test_and_set(&stopped))
        (void)raise(SIGSTOP);
}

/* libvirt writes to its sockets by this, in the thread that calls. */
ssize_t
write(int fd, const void *bytes, size_t count)
{
    stop_if("send", in_call && count >= CALL_BYTES_MIN);
    return syscall(SYS_write, fd, bytes, count);
}

int
virDomainMigrateToURI3(virDomainPtr domain, const char *peer_uri, virTypedParameterPtr parameters,
                       unsigned int count, unsigned int flags)
{
    MigrateCall call = (MigrateCall)dlsym(RTLD_NEXT, "virDomainMigrateToURI3");

    if (call == NULL)
        abort();
    stop_if("before", true);
    in_call = true;
    int result = call(domain, peer_uri, parameters, count, flags);
    in_call = false;
    stop_if("after", result == 0);
    return result;
}
