/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/uri.h"

#include <string.h>

#include <virt-roll/error.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define PORT_MAX 65535
#define TEXT_MAX 1024 /* of a URI */

typedef enum {
    HOST_NEVER,
    HOST_ALWAYS,
} HostRule;

typedef struct {
    const char *name;
    HostRule host;
    gboolean is_test;
} Scheme;

static const Scheme schemes[] = {
    {"qemu+ssh", HOST_ALWAYS, FALSE}, {"qemu+tls", HOST_ALWAYS, FALSE},
    {"qemu+tcp", HOST_ALWAYS, FALSE}, {"qemu+unix", HOST_NEVER, FALSE},
    {"test", HOST_NEVER, TRUE},       {"test+unix", HOST_NEVER, TRUE},
    {"test+tcp", HOST_ALWAYS, TRUE},
};

typedef enum {
    VALUE_TEXT,
    VALUE_PATH,
} ValueRule;

typedef struct {
    const char *name;
    ValueRule value;
} Parameter;

static const Parameter parameters[] = {
    {"socket", VALUE_PATH},      {"keyfile", VALUE_PATH}, {"pkipath", VALUE_PATH},
    {"known_hosts", VALUE_PATH}, {"sshauth", VALUE_TEXT}, {"mode", VALUE_TEXT},
    {"proxy", VALUE_TEXT},
};

/* Parameters of libvirt that we refuse, with the reason. */
static const struct {
    const char *name;
    const char *reason;
} refused[] = {
    {"command", "it runs a local command"},
    {"netcat", "it names a command to run"},
    {"no_verify", "it switches off the check of the host's identity"},
    {"known_hosts_verify", "it switches off the check of the host's identity"},
};

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error != NULL)
        *error = vr_error_new_valist(VR_ERROR_INVALID, format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean
check_characters(const char *uri, GError **error)
{
    gsize length = strspn(uri, LETTERS DIGITS "._~:/?&=@+,[]-");
    if (uri[length] == '{')
        return refuse(error, "\"%s\": only {name} is replaced", uri);
    if (uri[length] != '\0')
        return refuse(error, "\"%s\": has a character that is not accepted in a URI: %s", uri,
                      g_ascii_isgraph(uri[length]) ? (char[]){uri[length], '\0'}
                                                   : "a space, or not ASCII");
    if (length > TEXT_MAX)
        return refuse(error, "is longer than %d characters", TEXT_MAX);
    return TRUE;
}

/* Number of characters of a host name or an address in brackets; 0: there is none. */
static gsize
span_host(const char *text)
{
    if (*text == '[') {
        gsize length = strspn(text + 1, "0123456789abcdefABCDEF:.");
        return length > 1 && text[length + 1] == ']' ? length + 2 : 0;
    }
    /* A hyphen in front could be taken for an option of ssh. */
    return g_ascii_isalnum(*text) ? strspn(text, LETTERS DIGITS "._-") : 0;
}

/* Of ":1234"; 0 if there is none, and -1 if it is broken. */
static gssize
span_port(const char *text)
{
    if (*text != ':')
        return 0;
    gsize length = strspn(text + 1, DIGITS);
    if (length == 0 || length > 5)
        return -1;
    guint port = 0;
    for (gsize i = 1; i <= length; i++)
        port = port * 10 + (guint)(text[i] - '0');
    return port == 0 || port > PORT_MAX ? -1 : (gssize)length + 1;
}

/* "user@host:port" up to `end`. */
static gboolean
check_authority(const char *uri, const char *text, const char *end, GError **error)
{
    const char *at = memchr(text, '@', (gsize)(end - text));
    if (at != NULL) {
        gsize user = strspn(text, LETTERS DIGITS "._-");
        if (text + user != at || user == 0 || *text == '-')
            return refuse(error, "\"%s\": has no plain user name before '@'%s", uri,
                          memchr(text, ':', (gsize)(at - text)) != NULL
                              ? "; passwords are not accepted here"
                              : "");
        text = at + 1;
    }
    gsize host = span_host(text);
    gssize port = span_port(text + host);
    if (host == 0)
        return refuse(error, "\"%s\": has no host name", uri);
    if (port < 0)
        return refuse(error, "\"%s\": has a port that is none", uri);
    if (text + host + port != end)
        return refuse(error, "\"%s\": has no plain host name", uri);
    return TRUE;
}

static const Scheme *
find_scheme(const char *uri)
{
    for (guint i = 0; i < G_N_ELEMENTS(schemes); i++) {
        gsize length = strlen(schemes[i].name);
        if (strncmp(uri, schemes[i].name, length) == 0 && strncmp(uri + length, "://", 3) == 0)
            return &schemes[i];
    }
    return NULL;
}

static gboolean
refuse_scheme(const char *uri, GError **error)
{
    const char *hint = "";
    if (g_str_has_prefix(uri, "qemu:///"))
        hint = "; for a daemon on this machine: qemu+unix:///system";
    else if (g_str_has_prefix(uri, "qemu://"))
        hint = "; libvirt takes this one for qemu+tls";
    return refuse(error,
                  "\"%s\": must begin with qemu+ssh://, qemu+tls://, qemu+tcp:// or "
                  "qemu+unix://%s",
                  uri, hint);
}

static gboolean
check_parameter(const char *name, const char *value, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (strcmp(refused[i].name, name) == 0)
            return refuse(error, "the parameter %s is not accepted in a URI: %s", name,
                          refused[i].reason);
    }
    for (guint i = 0; i < G_N_ELEMENTS(parameters); i++) {
        if (strcmp(parameters[i].name, name) != 0)
            continue;
        if (value[0] == '\0')
            return refuse(error, "the parameter %s of the URI has no value", name);
        if (parameters[i].value == VALUE_PATH && value[0] != '/')
            return refuse(error, "the parameter %s of the URI must be an absolute path, not %s",
                          name, value);
        return TRUE;
    }
    return refuse(error,
                  "the parameter \"%s\" is not accepted in a URI; known: socket, keyfile, pkipath, "
                  "known_hosts, sshauth, mode, proxy",
                  name);
}

static gboolean
check_query(const char *query, GError **error)
{
    if (*query == '\0')
        return refuse(error, "the URI ends in '?'");
    g_auto(GStrv) parts = g_strsplit(query, "&", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        char *equals = strchr(parts[i], '=');
        if (equals != NULL)
            *equals = '\0';
        if (!check_parameter(parts[i], equals == NULL ? "" : equals + 1, error))
            return FALSE;
        for (guint j = 0; j < i; j++) {
            if (strcmp(parts[j], parts[i]) == 0)
                return refuse(error, "the parameter %s is in the URI twice", parts[i]);
        }
    }
    return TRUE;
}

static gboolean
check_path(const Scheme *scheme, const char *uri, const char *path, GError **error)
{
    if (scheme->is_test)
        return path[0] == '/' ? TRUE : refuse(error, "\"%s\": has no path, such as /default", uri);
    if (strcmp(path, "/system") == 0 || strcmp(path, "/session") == 0)
        return TRUE;
    return refuse(error, "\"%s\": the path must be /system", uri);
}

gboolean
vr_uri_check_connect(const char *uri, GError **error)
{
    const Scheme *scheme = find_scheme(uri);
    if (!check_characters(uri, error))
        return FALSE;
    if (scheme == NULL)
        return refuse_scheme(uri, error);

    const char *authority = uri + strlen(scheme->name) + strlen("://");
    gsize length = strcspn(authority, "/?");
    const char *path = authority + length;
    const char *query = path + strcspn(path, "?");
    g_autofree char *path_text = g_strndup(path, (gsize)(query - path));

    if (scheme->host == HOST_NEVER && length > 0)
        return refuse(error, "\"%s\": %s names no host; write %s:///…", uri, scheme->name,
                      scheme->name);
    if (scheme->host == HOST_ALWAYS && !check_authority(uri, authority, path, error))
        return FALSE;
    if (strpbrk(path, "[]") != NULL)
        return refuse(error, "\"%s\": has a bracket that is not around an address", uri);
    if (!check_path(scheme, uri, path_text, error))
        return FALSE;
    return *query == '\0' || check_query(query + 1, error);
}

gboolean
vr_uri_check_migrate(const char *uri, GError **error)
{
    if (!check_characters(uri, error))
        return FALSE;
    if (!g_str_has_prefix(uri, "tcp://"))
        return refuse(error, "\"%s\": must be tcp://HOST or tcp://HOST:PORT", uri);
    const char *authority = uri + strlen("tcp://");
    if (strchr(authority, '@') != NULL)
        return refuse(error, "\"%s\": must be tcp://HOST or tcp://HOST:PORT", uri);
    return check_authority(uri, authority, uri + strlen(uri), error);
}

/* Nobody else can listen in there. */
static gboolean
is_loopback(const char *authority)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        gsize length = strlen(names[i]);
        if (strncmp(authority, names[i], length) == 0 && strchr(":/", authority[length]) != NULL)
            return TRUE;
    }
    return FALSE;
}

gboolean
vr_uri_check_http(const char *uri, GError **error)
{
    gboolean is_plain = g_str_has_prefix(uri, "http://");
    if (!check_characters(uri, error))
        return FALSE;
    if (!is_plain && !g_str_has_prefix(uri, "https://"))
        return refuse(error, "\"%s\": must begin with https://, or http:// on this machine", uri);
    const char *authority = strstr(uri, "://") + strlen("://");
    const char *path = authority + strcspn(authority, "/");
    if (strpbrk(uri, "?@") != NULL)
        return refuse(error, "\"%s\": must be https://HOST[:PORT][/PATH], without user or query",
                      uri);
    if (is_plain && !is_loopback(authority))
        return refuse(error,
                      "\"%s\": http:// is accepted for 127.0.0.1, [::1] and localhost only; others "
                      "need https://",
                      uri);
    if (strpbrk(path, "[]") != NULL)
        return refuse(error, "\"%s\": has a bracket that is not around an address", uri);
    return check_authority(uri, authority, path, error);
}

gboolean
vr_uri_is_remote(const char *uri)
{
    const Scheme *scheme = find_scheme(uri);
    return scheme != NULL && (scheme->host == HOST_ALWAYS || scheme->is_test);
}
