/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

typedef xmlDoc VrXmlDocument;
typedef xmlParserCtxt VrXmlParser;
typedef char VrXmlString;

static void
xml_string_free(char *text)
{
    xmlFree(text);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrXmlDocument, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrXmlParser, xmlFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrXmlString, xml_string_free)

void
vr_xml_prepare_process(void)
{
    xmlInitParser();
}

/* libvirt writes no document type; all that one could do here is harm. */
static void
refuse_document_type(void *context, const xmlChar *name, const xmlChar *public_id,
                     const xmlChar *system_id)
{
    xmlParserCtxt *parser = context;
    (void)name;
    (void)public_id;
    (void)system_id;
    parser->_private = parser;
    xmlStopParser(parser);
}

static xmlDoc *
parse(const char *text, const char *root_name, GError **error)
{
    gsize length = strlen(text);
    if (length > VR_XML_BYTES_MAX) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "XML of libvirt: %" G_GSIZE_FORMAT " bytes, at most %d are accepted", length,
                    VR_XML_BYTES_MAX);
        return NULL;
    }
    g_autoptr(VrXmlParser) parser = xmlNewParserCtxt();
    parser->sax->internalSubset = refuse_document_type;
    g_autoptr(VrXmlDocument) document =
        xmlCtxtReadMemory(parser, text, (int)length, "libvirt.xml", NULL,
                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (parser->_private != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "XML of libvirt: has a document type, which is not accepted");
        return NULL;
    }
    if (document == NULL) {
        const xmlError *why = xmlCtxtGetLastError(parser);
        g_autofree char *message =
            g_strdup(why == NULL || why->message == NULL ? "not well-formed" : why->message);
        vr_error_set(error, VR_ERROR_INVALID, "XML of libvirt: line %d: %s",
                     why == NULL ? 0 : why->line, g_strchomp(message));
        return NULL;
    }
    const xmlNode *root = xmlDocGetRootElement(document);
    if (root == NULL || strcmp((const char *)root->name, root_name) != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "XML of libvirt: is no <%s>", root_name);
        return NULL;
    }
    return g_steal_pointer(&document);
}

static gboolean
is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The first child element of that name; NULL if there is none, or no parent. */
static xmlNode *
find_child(const xmlNode *parent, const char *name)
{
    xmlNode *node = parent == NULL ? NULL : parent->children;
    while (node != NULL && !is_element(node, name))
        node = node->next;
    return node;
}

/* The stripped text of an element; NULL without element or text. */
static char *
dup_text(xmlNode *node)
{
    g_autoptr(VrXmlString) text = node == NULL ? NULL : (char *)xmlNodeGetContent(node);
    if (text == NULL)
        return NULL;
    char *stripped = g_strstrip(g_strdup(text));
    if (*stripped == '\0')
        g_clear_pointer(&stripped, g_free);
    return stripped;
}

static char *
dup_attribute(xmlNode *node, const char *name)
{
    g_autoptr(VrXmlString) value = (char *)xmlGetNoNsProp(node, (const xmlChar *)name);
    return g_strdup(value);
}

/* Lower case; NULL if it is none. */
static char *
dup_uuid(xmlNode *node)
{
    g_autofree char *text = dup_text(node);
    if (text == NULL || !g_uuid_string_is_valid(text))
        return NULL;
    return g_ascii_strdown(text, -1);
}

gboolean
vr_xml_parse_capabilities(const char *text, VrCapabilities *out_capabilities, GError **error)
{
    g_autoptr(VrXmlDocument) document = parse(text, "capabilities", error);
    if (document == NULL)
        return FALSE;
    const xmlNode *host = find_child(xmlDocGetRootElement(document), "host");
    g_autofree char *uuid = dup_uuid(find_child(host, "uuid"));
    /* Firmware that knows no UUID says zeros. */
    if (uuid != NULL && strspn(uuid, "0-") == strlen(uuid))
        g_clear_pointer(&uuid, g_free);
    out_capabilities->host_uuid = g_steal_pointer(&uuid);
    out_capabilities->cpu_model = dup_text(find_child(find_child(host, "cpu"), "model"));
    return TRUE;
}

void
vr_capabilities_clear(VrCapabilities *self)
{
    g_clear_pointer(&self->host_uuid, g_free);
    g_clear_pointer(&self->cpu_model, g_free);
}

/* The kind of host device that this device of the domain is; NULL: none, or one that may leave. */
static char *
dup_host_device_kind(xmlNode *device)
{
    g_autofree char *type = dup_attribute(device, "type");
    gboolean is_interface = is_element(device, "interface") && g_strcmp0(type, "hostdev") == 0;

    /* The passed-through half of a team is unplugged for the migration and plugged in again. */
    if (find_child(device, "teaming") != NULL)
        return NULL;
    if (is_interface)
        return g_strdup("pci network interface");
    return is_element(device, "hostdev") && type != NULL ? g_steal_pointer(&type) : NULL;
}

static char *
dup_host_device(const xmlNode *devices)
{
    for (xmlNode *node = devices == NULL ? NULL : devices->children; node != NULL;
         node = node->next) {
        g_autofree char *kind = dup_host_device_kind(node);
        if (kind != NULL)
            return g_strdup_printf("uses a host device (%s)", kind);
    }
    return NULL;
}

/* "vda network/nbd vm1": target, type and protocol, and what it lies on. */
static void
append_disk(GString *text, xmlNode *disk)
{
    static const char *const places[] = {"file", "dev", "name", "dir", "volume"};
    xmlNode *source = find_child(disk, "source");
    xmlNode *target = find_child(disk, "target");
    g_autofree char *name = target != NULL ? dup_attribute(target, "dev") : NULL;
    g_autofree char *type = dup_attribute(disk, "type");
    g_autofree char *protocol = source != NULL ? dup_attribute(source, "protocol") : NULL;
    g_autofree char *place = NULL;

    for (guint i = 0; source != NULL && place == NULL && i < G_N_ELEMENTS(places); i++)
        place = dup_attribute(source, places[i]);
    g_string_append_printf(text, "%s%s %s%s%s %s", text->len > 0 ? "; " : "",
                           name != NULL ? name : "?", type != NULL ? type : "?",
                           protocol != NULL ? "/" : "", protocol != NULL ? protocol : "",
                           place != NULL ? place : "-");
}

/* Whether a VM can migrate may depend on these; the rest of its devices goes along anyhow. */
static gboolean
is_told(const xmlNode *device)
{
    static const char *const names[] = {"interface", "hostdev", "filesystem", "tpm",
                                        "redirdev",  "shmem",   "vsock"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (is_element(device, names[i]))
            return TRUE;
    return FALSE;
}

static void
append_device(GString *text, xmlNode *device)
{
    g_autofree char *type = dup_attribute(device, "type");
    g_string_append_printf(text, "%s%s%s%s", text->len > 0 ? "; " : "", (const char *)device->name,
                           type != NULL ? "/" : "", type != NULL ? type : "");
}

static char *
text_or_null(GString *text)
{
    return g_string_free(text, text->len == 0);
}

static void
read_devices(const xmlNode *devices, VrDomainFacts *out_facts)
{
    GString *disks = g_string_new(NULL);
    GString *others = g_string_new(NULL);
    for (xmlNode *node = devices == NULL ? NULL : devices->children; node != NULL;
         node = node->next) {
        if (is_element(node, "disk"))
            append_disk(disks, node);
        else if (is_told(node))
            append_device(others, node);
    }
    out_facts->disks = text_or_null(disks);
    out_facts->devices = text_or_null(others);
}

static char *
dup_xml(xmlDoc *document, xmlNode *node)
{
    if (node == NULL)
        return NULL;
    xmlBuffer *buffer = xmlBufferCreate();
    char *text = xmlNodeDump(buffer, document, node, 0, 0) > 0
                     ? g_strdup((const char *)xmlBufferContent(buffer))
                     : NULL;
    xmlBufferFree(buffer);
    return text;
}

gboolean
vr_xml_parse_domain(const char *text, VrDomainFacts *out_facts, GError **error)
{
    g_autoptr(VrXmlDocument) document = parse(text, "domain", error);
    if (document == NULL)
        return FALSE;
    const xmlNode *root = xmlDocGetRootElement(document);
    out_facts->uuid = dup_uuid(find_child(root, "uuid"));
    out_facts->title = dup_text(find_child(root, "title"));
    out_facts->metadata = dup_xml(document, find_child(root, "metadata"));
    out_facts->host_device = dup_host_device(find_child(root, "devices"));
    read_devices(find_child(root, "devices"), out_facts);
    return TRUE;
}

void
vr_domain_facts_clear(VrDomainFacts *self)
{
    g_clear_pointer(&self->uuid, g_free);
    g_clear_pointer(&self->host_device, g_free);
    g_clear_pointer(&self->title, g_free);
    g_clear_pointer(&self->disks, g_free);
    g_clear_pointer(&self->devices, g_free);
    g_clear_pointer(&self->metadata, g_free);
}
