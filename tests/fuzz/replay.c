/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target without libFuzzer: on the files of a folder, or on single ones, and on the
 * same mutations of each at every run with a seed. The runs are in a child, so that the parent can
 * keep the input that ended it, however it ended.
 *
 * usage: fuzz-KIND [--seed N] [--mutations N] [--keep FOLDER] FOLDER|FILE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX 65536
#define CHANGES_MAX 6 /* of one input */
#define PIECE_BYTES_MAX 64
#define REMOVED_BYTES_MAX 16

static gint seed = 1;
static gint mutations = 200;
static char *keep = NULL;
static char **paths = NULL;

static const GOptionEntry options[] = {
    {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "another row of mutations", "N"},
    {"mutations", 0, 0, G_OPTION_ARG_INT, &mutations, "of each file; 0: only the file", "N"},
    {"keep", 0, 0, G_OPTION_ARG_FILENAME, &keep, "where a failing input is kept", "FOLDER"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, NULL},
    {0},
};

/* The input that is being run, seen by both processes. */
typedef struct {
    guint64 runs;
    gsize size;
    uint8_t bytes[INPUT_BYTES_MAX];
} Shared;

static gint
compare_files(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
add_path(GPtrArray *files, const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    if (folder == NULL) {
        g_ptr_array_add(files, g_strdup(path));
        return;
    }
    for (const char *name; (name = g_dir_read_name(folder)) != NULL;)
        g_ptr_array_add(files, g_build_filename(path, name, NULL));
}

static GPtrArray *
read_files(const GPtrArray *files)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

    for (guint i = 0; i < files->len; i++) {
        char *bytes = NULL;
        gsize size = 0;
        g_autoptr(GError) error = NULL;
        if (!g_file_get_contents(g_ptr_array_index(files, i), &bytes, &size, &error)) {
            g_printerr("%s\n", error->message);
            exit(2);
        }
        g_ptr_array_add(texts, g_bytes_new_take(bytes, MIN(size, INPUT_BYTES_MAX)));
    }
    return texts;
}

static gsize
pick(GRand *random, gsize end)
{
    return end == 0 ? 0 : (gsize)g_rand_int_range(random, 0, (gint32)end);
}

static void
insert(GByteArray *input, gsize at, const void *bytes, gsize count)
{
    gsize length = input->len;

    if (length + count > INPUT_BYTES_MAX)
        return;
    g_byte_array_set_size(input, (guint)(length + count));
    memmove(input->data + at + count, input->data + at, length - at);
    memcpy(input->data + at, bytes, count);
}

/* A piece of any text of the corpus. */
static void
insert_piece(GRand *random, GByteArray *input, const GPtrArray *texts)
{
    gsize size = 0;
    const uint8_t *bytes =
        g_bytes_get_data(g_ptr_array_index(texts, pick(random, texts->len)), &size);
    gsize from = pick(random, size);
    gsize wanted = 1 + pick(random, PIECE_BYTES_MAX);
    gsize count = MIN(size - from, wanted);

    if (size > 0)
        insert(input, pick(random, input->len + 1), bytes + from, count);
}

static void
insert_word(GRand *random, GByteArray *input)
{
    static const char *const words[] = {
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "4294967296",
        "2147483648",
        "1e9",
        "null",
        "true",
        "\"\"",
        "[]",
        "{}",
        "[",
        "{",
        "\"",
        "\\u0000",
        "\\ud800",
        "\n",
        "\t",
        ":",
        ",",
        "-",
        "\xc3\xa9",
        "\xff",
        "\x7f",
        "\xc2\x85",
        "&x;",
        "<",
        "=",
        "%s",
    };
    const char *word = words[pick(random, G_N_ELEMENTS(words))];

    insert(input, pick(random, input->len + 1), word, strlen(word));
}

/* Digits in a row become another number. */
static void
change_number(GRand *random, GByteArray *input)
{
    gsize at = pick(random, input->len);

    for (gsize i = 0; i < input->len; i++, at = (at + 1) % input->len) {
        gsize count = 0;
        while (at + count < input->len && g_ascii_isdigit(input->data[at + count]))
            count++;
        if (count == 0)
            continue;
        guint64 value = g_rand_int(random) >> pick(random, 32); /* of all sizes */
        value <<= pick(random, 2) * pick(random, 40);
        g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, value);
        g_byte_array_remove_range(input, (guint)at, (guint)count);
        insert(input, at, number, strlen(number));
        return;
    }
}

static void
change(GRand *random, GByteArray *input, const GPtrArray *texts)
{
    gsize at = pick(random, input->len);
    gsize wanted = 1 + pick(random, REMOVED_BYTES_MAX);
    gsize count = MIN(input->len - at, wanted);

    switch (g_rand_int_range(random, 0, 7)) {
    case 0:
        if (input->len > 0)
            input->data[at] ^= (uint8_t)(1u << pick(random, 8));
        return;
    case 1:
        if (input->len > 0)
            input->data[at] = (uint8_t)g_rand_int(random);
        return;
    case 2:
        if (count > 0)
            g_byte_array_remove_range(input, (guint)at, (guint)count);
        return;
    case 3:
        insert_piece(random, input, texts);
        return;
    case 4:
        insert_word(random, input);
        return;
    case 5:
        change_number(random, input);
        return;
    default:
        g_byte_array_set_size(input, (guint)at);
        return;
    }
}

/* On a block of just its size, so that a byte read too many is seen. */
static void
run_input(Shared *shared, const void *bytes, gsize size)
{
    uint8_t *block = malloc(size);

    memcpy(shared->bytes, bytes, size);
    shared->size = size;
    shared->runs++;
    memcpy(block, bytes, size);
    (void)LLVMFuzzerTestOneInput(block, size);
    free(block);
}

static void
run_all(Shared *shared, const GPtrArray *texts)
{
    for (guint i = 0; i < texts->len; i++) {
        gsize size = 0;
        const void *bytes = g_bytes_get_data(g_ptr_array_index(texts, i), &size);
        g_autoptr(GRand) random = g_rand_new_with_seed((guint32)seed);
        run_input(shared, size > 0 ? bytes : "", size);
        for (gint j = 0; j < mutations; j++) {
            g_autoptr(GByteArray) input = g_byte_array_new();
            g_byte_array_append(input, bytes, (guint)size);
            for (gsize k = 1 + pick(random, CHANGES_MAX); k > 0; k--)
                change(random, input, texts);
            run_input(shared, input->len > 0 ? (const void *)input->data : "", input->len);
        }
    }
}

/* The exit status of the whole. */
static int
report(const Shared *shared, const char *program, int status)
{
    g_autofree char *name = g_path_get_basename(program);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        g_print("%s: %" G_GUINT64_FORMAT " inputs, seed %d\n", name, shared->runs, seed);
        return 0;
    }
    g_autofree char *file = g_strconcat(name, ".failed", NULL);
    g_autofree char *path = g_build_filename(keep != NULL ? keep : g_get_tmp_dir(), file, NULL);
    g_autoptr(GError) error = NULL;
    if (!g_file_set_contents(path, (const char *)shared->bytes, (gssize)shared->size, &error))
        g_printerr("%s\n", error->message);
    g_printerr("%s: input %" G_GUINT64_FORMAT " of seed %d ended it (%s %d; an exit status may be "
               "a leak of any input); again: %s --mutations 0 %s\n",
               name, shared->runs, seed, WIFSIGNALED(status) ? "signal" : "exit status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), program, path);
    return 1;
}

int
main(int count, char **arguments)
{
    g_autoptr(GOptionContext) context = g_option_context_new("FOLDER|FILE...");
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &count, &arguments, &error) || paths == NULL) {
        g_printerr("%s\n", error != NULL ? error->message : "no files");
        return 2;
    }
    for (guint i = 0; paths[i] != NULL; i++)
        add_path(files, paths[i]);
    g_ptr_array_sort(files, compare_files);
    g_autoptr(GPtrArray) texts = read_files(files);
    if (texts->len == 0) {
        g_printerr("%s: no files\n", paths[0]);
        return 2;
    }

    Shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(shared != MAP_FAILED);
    pid_t child = fork();
    g_assert_true(child >= 0);
    if (child == 0) {
        run_all(shared, texts);
        exit(0);
    }
    int status = 0;
    pid_t ended = waitpid(child, &status, 0);
    g_assert_true(ended == child);
    return report(shared, arguments[0], status);
}
