/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * init - the only program of a lab guest. It loads the virtio drivers, then works and tells of it:
 *
 *   - a heartbeat, a UDP datagram to the controller with a sequence number and the counters below;
 *   - memory that is rewritten at a given rate; what was written last is verified before that;
 *   - direct reads and writes on the disk at a given rate.
 *
 * The kernel command line sets it up:
 *
 *   lab.name=vm1 lab.ip=10.77.1.1 lab.sink=10.77.0.1 lab.port=7700
 *   lab.heartbeat_ms=50 lab.dirty=5 lab.memory=16 lab.iops=20      (ms, MiB/s, MiB, requests/s)
 *
 * A datagram such as "dirty=5 iops=0" to UDP port 7701 changes the second line while it runs.
 *
 * "READY" goes to the console once per boot.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SIZE 4096u
#define COMMAND_PORT 7701
#define IDLE_US 20000
#define DIRTY_SLICE_US 10000
#define IO_REQUESTS_PER_FLUSH 16

/* What the guest is told to do. */
static _Atomic long heartbeat_ms = 50;
static _Atomic long dirty_mib_per_s;
static _Atomic long memory_mib = 16;
static _Atomic long io_per_s;

/* What the heartbeat tells. */
static _Atomic uint64_t io_requests;
static _Atomic uint64_t io_errors;
static _Atomic uint64_t io_us_max;
static _Atomic uint64_t pages_written;
static _Atomic uint64_t pages_bad;

static char command_line[4096];

static uint64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void
sleep_until_us(uint64_t deadline_us)
{
    uint64_t now = now_us();

    if (deadline_us > now)
        usleep((useconds_t)(deadline_us - now));
}

static void
read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);

    text[length > 0 ? length : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The value of "lab.KEY=" on the command line, or the default. */
static const char *
option(const char *key, const char *otherwise, char *value, size_t size)
{
    char pattern[64];
    const char *found;

    snprintf(pattern, sizeof pattern, "lab.%s=", key);
    found = strstr(command_line, pattern);
    if (!found)
        return otherwise;
    found += strlen(pattern);
    snprintf(value, size, "%.*s", (int)strcspn(found, " \n"), found);
    return value;
}

/* ---- start ---- */

static void
mount_file_systems(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, "");
    mount("sysfs", "/sys", "sysfs", 0, "");
    mount("dev", "/dev", "devtmpfs", 0, "");
}

static void
open_console(void)
{
    int console = open("/dev/console", O_RDWR);

    for (int fd = 0; fd <= 2 && console >= 0; fd++)
        dup2(console, fd);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* The list /modules/order has them in the order of their dependencies. */
static void
load_modules(void)
{
    char order[1024];
    char path[128];
    char *rest = NULL;

    read_text("/modules/order", order, sizeof order);
    for (char *name = strtok_r(order, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
        int fd;

        snprintf(path, sizeof path, "/modules/%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
            printf("module %s: %s\n", name, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
}

static void
wait_for_path(const char *path)
{
    for (int tries = 0; tries < 200 && access(path, F_OK) != 0; tries++)
        usleep(10000);
}

static void
set_address(int fd, struct ifreq *request, unsigned long what, const char *address)
{
    struct sockaddr_in *inet = (struct sockaddr_in *)&request->ifr_addr;

    inet->sin_family = AF_INET;
    inet_pton(AF_INET, address, &inet->sin_addr);
    if (ioctl(fd, what, request) != 0)
        printf("%s %s: %s\n", request->ifr_name, address, strerror(errno));
}

static void
network_up(const char *interface, const char *address)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    set_address(fd, &request, SIOCSIFADDR, address);
    set_address(fd, &request, SIOCSIFNETMASK, "255.255.0.0");
    ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
}

/* ---- memory ---- */

/* What a page holds after the given round; before the first round memory is zero. */
static uint64_t
page_content(uint64_t round, size_t offset)
{
    return round == 0 ? 0 : (round * 1000003u + offset) * UINT64_C(0x9E3779B97F4A7C15);
}

/* The memory that is being rewritten, page after page, round after round. */
struct working_set {
    char *memory;
    size_t size;
    size_t offset;
    uint64_t round;
};

static bool
working_set_resize(struct working_set *set, size_t size)
{
    if (set->memory && set->size == size)
        return true;
    if (set->memory)
        munmap(set->memory, set->size);
    *set = (struct working_set){.size = size};
    set->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (set->memory != MAP_FAILED)
        return true;
    set->memory = NULL;
    return false;
}

static void
working_set_write_page(struct working_set *set)
{
    volatile uint64_t *word = (volatile uint64_t *)(void *)(set->memory + set->offset);

    if (*word != page_content(set->round, set->offset))
        pages_bad++;
    *word = page_content(set->round + 1, set->offset);
    pages_written++;
    set->offset += PAGE_SIZE;
    if (set->offset >= set->size) {
        set->offset = 0;
        set->round++;
    }
}

static void *
run_memory(void *unused)
{
    struct working_set set = {0};

    (void)unused;
    for (;;) {
        long rate = dirty_mib_per_s;
        uint64_t slice_end_us = now_us() + DIRTY_SLICE_US;
        /* 256 pages make a MiB, and 100 slices a second. */
        long pages = rate * 256 / 100;

        if (rate <= 0 || memory_mib <= 0 || !working_set_resize(&set, (size_t)memory_mib << 20)) {
            usleep(IDLE_US);
            continue;
        }
        for (long page = 0; page < pages; page++)
            working_set_write_page(&set);
        sleep_until_us(slice_end_us);
    }
    return NULL;
}

/* ---- disk ---- */

static void
raise_io_us_max(uint64_t us)
{
    uint64_t seen = io_us_max;

    while (us > seen && !atomic_compare_exchange_weak(&io_us_max, &seen, us))
        ;
}

/* One request at a pseudo-random block: a read if the number is odd, else a write. */
static void
disk_request(int fd, void *buffer, uint64_t blocks, uint64_t number)
{
    off_t offset = (off_t)((number * 2654435761u >> 4) % blocks * PAGE_SIZE);
    uint64_t start_us = now_us();
    ssize_t length;

    if (number % 2) {
        length = pread(fd, buffer, PAGE_SIZE, offset);
    } else {
        memcpy(buffer, &number, sizeof number);
        length = pwrite(fd, buffer, PAGE_SIZE, offset);
    }
    if (length != (ssize_t)PAGE_SIZE)
        io_errors++;
    if (number % IO_REQUESTS_PER_FLUSH == 0 && fdatasync(fd) != 0)
        io_errors++;
    io_requests++;
    raise_io_us_max(now_us() - start_us);
}

static void *
run_disk(void *unused)
{
    static _Alignas(PAGE_SIZE) char buffer[PAGE_SIZE];
    int fd = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

    (void)unused;
    if (size < (off_t)PAGE_SIZE) {
        io_errors++;
        return NULL;
    }
    for (uint64_t number = 0;;) {
        long rate = io_per_s;
        uint64_t next_us;

        if (rate <= 0) {
            usleep(IDLE_US);
            continue;
        }
        next_us = now_us() + 1000000u / (uint64_t)rate;
        disk_request(fd, buffer, (uint64_t)size / PAGE_SIZE, number++);
        sleep_until_us(next_us);
    }
    return NULL;
}

/* ---- settings ---- */

static const struct {
    const char *key;
    _Atomic long *value;
} settings[] = {
    {"heartbeat_ms", &heartbeat_ms},
    {"dirty", &dirty_mib_per_s},
    {"memory", &memory_mib},
    {"iops", &io_per_s},
};

#define SETTING_COUNT (sizeof settings / sizeof settings[0])

static void
settings_from_command_line(void)
{
    char value[32];

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *text = option(settings[i].key, NULL, value, sizeof value);

        if (text)
            *settings[i].value = atol(text);
    }
}

static void
change_setting(const char *word)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        size_t length = strlen(settings[i].key);

        if (strncmp(word, settings[i].key, length) == 0 && word[length] == '=')
            *settings[i].value = atol(word + length + 1);
    }
}

static void *
run_commands(void *unused)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(COMMAND_PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char words[256];

    (void)unused;
    bind(fd, (struct sockaddr *)&own, sizeof own);
    for (;;) {
        ssize_t length = recv(fd, words, sizeof words - 1, 0);
        char *rest = NULL;

        if (length <= 0) {
            usleep(IDLE_US);
            continue;
        }
        words[length] = '\0';
        for (char *word = strtok_r(words, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
            change_setting(word);
    }
    return NULL;
}

/* ---- heartbeat ---- */

static int
format_heartbeat(char *text, size_t size, const char *name, const char *boot, uint64_t sequence)
{
    return snprintf(text, size,
                    "vm=%s boot=%.8s seq=%ju clock_us=%ju dirty=%ld io=%ju io_us_max=%ju "
                    "io_errors=%ju pages=%ju bad_pages=%ju\n",
                    name, boot, (uintmax_t)sequence, (uintmax_t)now_us(), (long)dirty_mib_per_s,
                    (uintmax_t)io_requests, (uintmax_t)atomic_exchange(&io_us_max, 0),
                    (uintmax_t)io_errors, (uintmax_t)pages_written, (uintmax_t)pages_bad);
}

static void
run_heartbeat(const char *name, const struct sockaddr_in *sink)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    uint64_t next_us = now_us();
    char boot[64];
    char text[512];

    /* The number of the boot tells a guest that was started again from one that ran on. */
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    for (uint64_t sequence = 0;; sequence++) {
        int length = format_heartbeat(text, sizeof text, name, boot, sequence);

        sendto(fd, text, (size_t)length, MSG_DONTWAIT, (const struct sockaddr *)sink, sizeof *sink);
        next_us += (uint64_t)heartbeat_ms * 1000u;
        if (next_us < now_us())
            next_us = now_us();
        sleep_until_us(next_us);
    }
}

static void
start_thread(void *(*run)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, NULL) != 0)
        printf("no thread: %s\n", strerror(errno));
}

int
main(void)
{
    struct sockaddr_in sink = {.sin_family = AF_INET};
    const struct sched_param urgent = {.sched_priority = 10};
    char name[32];
    char value[32];

    mount_file_systems();
    open_console();
    read_text("/proc/cmdline", command_line, sizeof command_line);
    load_modules();
    settings_from_command_line();
    if (option("ip", NULL, value, sizeof value)) {
        wait_for_path("/sys/class/net/eth0");
        network_up("eth0", value);
    }
    sink.sin_port = htons((uint16_t)atoi(option("port", "7700", value, sizeof value)));
    inet_pton(AF_INET, option("sink", "127.0.0.1", value, sizeof value), &sink.sin_addr);
    snprintf(name, sizeof name, "%s", option("name", "vm0", value, sizeof value));
    printf("READY %s\n", name);

    start_thread(run_memory);
    start_thread(run_disk);
    start_thread(run_commands);
    /* Neither of them may delay the heartbeat: it is what outsiders measure. */
    sched_setscheduler(0, SCHED_FIFO, &urgent);
    run_heartbeat(name, &sink);
    return 0;
}
