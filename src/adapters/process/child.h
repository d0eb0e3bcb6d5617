/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One command as a child in a session of its own (so without a terminal to ask for passwords),
 * watched until its end. Only the C library: the helper is made of it too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum {
    VR_CHILD_EXITED,    /* code: its exit status */
    VR_CHILD_SIGNALLED, /* code: the signal; 0: how it ended is not known */
    VR_CHILD_TIMED_OUT, /* killed, with what was left of its group */
    VR_CHILD_NOT_RUN,   /* code: errno */
} VrChildEnd;

typedef struct {
    VrChildEnd end;
    int code;
} VrChildResult;

typedef struct {
    char *const *argv; /* argv[0] is the path of the program */
    char *const *environment;
    int64_t timeout_s;
    /* Gets stdout and stderr as they come. */
    void (*output)(const char *bytes, size_t count, void *data);
    void *data;
} VrChildCommand;

/*
 * Runs it and waits for it: not for what it leaves in the background, even if that holds its output
 * open. After the timeout its process group gets SIGTERM and, 10 s later or once it has ended and
 * nobody holds the output any more, SIGKILL. The child has /dev/null as stdin, / as its directory,
 * and no other descriptor of ours. Any thread may call it.
 */
VrChildResult vr_child_run(const VrChildCommand *command);
