/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server in a thread of its own that keeps a book of alerts, and clients that may be rude. */
#pragma once

#include "../unit/base/expect.h"

#include <virt-roll/alert.h>

typedef struct Server Server;

#define TOKEN "a-token-that-nobody-guesses"
#define OTHER_TOKEN "the-token-of-a-route-that-is-not-there"

/* Alerts mean migrate-back on h1 and h2; each is answered after `delay_ms`. */
Server *server_new(guint header_timeout_ms, guint body_timeout_ms, guint delay_ms);
/* Ends it while requests may wait. */
void server_free(Server *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_free)

guint server_port(Server *self);
const char *server_unix_path(Server *self);
/* Messages that reached the sink so far. */
guint server_message_count(Server *self);
/* "h1 Hot, h2 Cold": what is in the book. (transfer full) */
char *server_alerts(Server *self);
/* The answer to alerts from now on: -1 for done, else this VrErrorCode. */
void server_set_answer(Server *self, gint code);

/* A connection. */
int client_connect(guint port);
int client_connect_unix(const char *path);
/* FALSE: the server has closed it. */
gboolean client_send(int fd, const char *bytes, gsize length);
/*
 * What comes until the answer is whole by its Content-Length, or the server closes, or so long.
 * (transfer full)
 */
char *client_receive(int fd, guint timeout_ms);

/* All of it: connects, sends, receives, closes. (transfer full) */
char *client_ask(Server *self, const char *request, gsize length);

/* POST of a body to the route of alerts with the token. (transfer full) */
char *client_post(const char *token, const char *body);
/* A message with one alert; `ends` "": it fires. (transfer full) */
char *alert_message(const char *name, const char *host, const char *fingerprint, const char *ends);
