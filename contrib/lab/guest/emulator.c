/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * emulator - QEMU before 9.0, made fit for live migration without hardware virtualization.
 *
 * With TCG, those versions lose dirty pages: when the size of the guest's memory is a multiple of
 * 256 KiB, the dirty bitmap is synchronized word by word, and this path forgets to make TCG report
 * the next write to the same pages. A migrated guest then runs on with stale memory and crashes
 * some seconds later. The page-by-page path is correct, so this program adds 8 KiB to the memory
 * and becomes QEMU. (libvirt itself only knows whole MiB.) Both sides of a migration need it.
 * QEMU 9.0 has the bug fixed; KVM never had it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"
#define EXTRA_BYTES 8192ull

/* A new argument: the first bytes of the old one, the number, and what followed. */
static char *
argument_with(const char *old, size_t prefix_length, unsigned long long number, const char *rest)
{
    size_t size = prefix_length + strlen(rest) + 64;
    char *text = malloc(size);

    if (!text) {
        fputs("emulator: out of memory\n", stderr);
        exit(1);
    }
    snprintf(text, size, "%.*s%llu%s", (int)prefix_length, old, number, rest);
    return text;
}

/* Enlarges the memory backend pc.ram, which is JSON or key=value; returns its new size in bytes,
 * or 0 if the argument is about something else. */
static unsigned long long
enlarge_backend(char **argument)
{
    const char *size;
    const char *digits;
    char *rest;
    unsigned long long bytes;

    if (!strstr(*argument, "\"id\":\"pc.ram\"") && !strstr(*argument, "id=pc.ram"))
        return 0;
    size = strstr(*argument, "size");
    if (!size)
        return 0;
    digits = size + strcspn(size, "0123456789");
    bytes = strtoull(digits, &rest, 10) + EXTRA_BYTES;
    *argument = argument_with(*argument, (size_t)(digits - *argument), bytes, rest);
    return bytes;
}

int
main(int argc, char **argv)
{
    unsigned long long bytes = 0;

    for (int i = 1; i + 1 < argc && bytes == 0; i++) {
        if (strcmp(argv[i], "-object") == 0)
            bytes = enlarge_backend(&argv[i + 1]);
    }
    /* The backend and -m must agree. */
    for (int i = 1; i + 1 < argc && bytes != 0; i++) {
        if (strcmp(argv[i], "-m") == 0)
            argv[i + 1] = argument_with("size=", strlen("size="), bytes / 1024, "k");
    }
    execv(QEMU, argv);
    perror("emulator: " QEMU);
    return 127;
}
