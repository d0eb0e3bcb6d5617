/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/curl/transfer.h"

#include <errno.h>
#include <string.h>

#include <curl/curl.h>

#include "base/text.h"

#define HEADER_BYTES_MAX 65536

/* One transfer while it runs. */
typedef struct {
    const VrTransferRequest *request;
    VrTransfer *transfer;
    gsize header_bytes;
    gboolean too_long;
    gboolean enough; /* we ended it ourselves, having what was asked for */
} Run;

static gpointer
init_library(gpointer data)
{
    (void)data;
    g_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    return NULL;
}

static void
ensure_library(void)
{
    static GOnce once = G_ONCE_INIT;
    (void)g_once(&once, init_library, NULL);
}

static size_t
take_body(char *bytes, size_t size, size_t count, void *data)
{
    Run *run = data;
    size_t length = size * count;
    if (run->request->kind == VR_TRANSFER_STATUS) {
        run->enough = TRUE;
        return 0;
    }
    if (run->transfer->body->len + length > VR_TRANSFER_BODY_MAX) {
        run->too_long = TRUE;
        return 0;
    }
    g_string_append_len(run->transfer->body, bytes, (gssize)length);
    return length;
}

static size_t
take_header(char *bytes, size_t size, size_t count, void *data)
{
    (void)bytes;
    Run *run = data;
    run->header_bytes += size * count;
    run->too_long = run->too_long || run->header_bytes > HEADER_BYTES_MAX;
    return run->too_long ? 0 : size * count;
}

/* About once a second. */
static int
check_cancelled(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    const Run *run = data;
    return g_atomic_int_get(run->request->cancelled) != 0;
}

static void
set_limits(CURL *curl, const VrTransferRequest *request)
{
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_s * 1000);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_s * 1000);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "virt-roll/" VR_VERSION);
}

static void
set_request(CURL *curl, Run *run, struct curl_slist *headers)
{
    const VrTransferRequest *request = run->request;
    (void)curl_easy_setopt(curl, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (request->kind == VR_TRANSFER_CONNECT)
        (void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    if (request->body != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
    if (request->method != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, run);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, run);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_cancelled);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, run);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

/* A refused connection is an answer of the other side; that there is no way there is not. */
static VrTransferEnd
classify_connect(CURL *curl)
{
    long code = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &code);
    switch (code) {
    case ENETUNREACH:
    case ENETDOWN:
    case EACCES:
    case EPERM:
    case EADDRNOTAVAIL:
    case EMFILE:
    case ENFILE:
        return VR_TRANSFER_NOT_ASKED;
    default:
        return VR_TRANSFER_REFUSED;
    }
}

static VrTransferEnd
classify(CURL *curl, CURLcode code)
{
    static const CURLcode ours[] = {CURLE_COULDNT_RESOLVE_HOST, CURLE_URL_MALFORMAT,
                                    CURLE_FAILED_INIT, CURLE_ABORTED_BY_CALLBACK};
    if (code == CURLE_OK)
        return VR_TRANSFER_DONE;
    if (code == CURLE_COULDNT_CONNECT)
        return classify_connect(curl);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return VR_TRANSFER_TIMED_OUT;
    for (guint i = 0; i < G_N_ELEMENTS(ours); i++) {
        if (code == ours[i])
            return VR_TRANSFER_NOT_ASKED;
    }
    return VR_TRANSFER_BROKEN;
}

static void
finish(Run *run, CURL *curl, CURLcode code, const char *message)
{
    VrTransfer *transfer = run->transfer;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer->status);
    transfer->end = run->enough ? VR_TRANSFER_DONE : classify(curl, code);
    if (transfer->end == VR_TRANSFER_DONE)
        return;
    g_autofree char *clean = vr_text_clean(message[0] != '\0' ? message : curl_easy_strerror(code));
    if (code == CURLE_ABORTED_BY_CALLBACK)
        transfer->detail = g_strdup("the controller is closing");
    else if (run->too_long || code == CURLE_OUT_OF_MEMORY) /* so it calls a line that never ends */
        transfer->detail = g_strdup("the answer is too long");
    else
        transfer->detail = g_steal_pointer(&clean);
}

VrTransfer *
vr_transfer_run(const VrTransferRequest *request)
{
    VrTransfer *transfer = g_new0(VrTransfer, 1);
    Run run = {.request = request, .transfer = transfer};
    char message[CURL_ERROR_SIZE] = "";
    transfer->body = g_string_new(NULL);

    ensure_library();
    CURL *curl = curl_easy_init();
    g_assert(curl != NULL);
    g_autofree char *type = g_strconcat(
        "Content-Type: ", request->content_type != NULL ? request->content_type : "", NULL);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (request->content_type != NULL)
        headers = curl_slist_append(headers, type);
    set_limits(curl, request);
    set_request(curl, &run, headers);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    CURLcode code = curl_easy_perform(curl);
    finish(&run, curl, code, message);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return transfer;
}

void
vr_transfer_free(VrTransfer *self)
{
    if (self == NULL)
        return;
    (void)g_string_free(self->body, TRUE);
    g_free(self->detail);
    g_free(self);
}

char *
vr_transfer_form(const char *name, const char *value)
{
    g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
    return g_strconcat(name, "=", escaped, NULL);
}
