/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts in words, for the report, the log and the person who is woken up. */
#include <virt-roll/health.h>

#define UNCHANGED_PERMILLE 10 /* of steal, of the controls */
#define UNCHANGED_Q8 26       /* x1.07 */

/* Recorded numbers may be anything; these are to be added and multiplied. */
static gint64
tame(gint64 value)
{
    return CLAMP(value, 0, 1000000000);
}

static void
append_percent(GString *out, gint64 ppm)
{
    const gint64 permille = (tame(ppm) + 500) / 1000;

    g_string_append_printf(out, "%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT " %%", permille / 10,
                           permille % 10);
}

static void
append_ms(GString *out, gint64 us)
{
    const gint64 tenths = (tame(us) + 50) / 100;

    g_string_append_printf(out, "%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT " ms", tenths / 10,
                           tenths % 10);
}

static void
append_count(GString *out, gint64 count, const char *one, const char *many)
{
    g_string_append_printf(out, "%" G_GINT64_FORMAT " %s", tame(count), count == 1 ? one : many);
}

static void
append_load(GString *out, gint64 cpu_permille)
{
    if (cpu_permille < 0)
        g_string_append(out, "an unknown load");
    else
        g_string_append_printf(out, "%" G_GINT64_FORMAT " %% load", (tame(cpu_permille) + 5) / 10);
}

static void
append_share(GString *out, gint64 over_permille, gint64 vms)
{
    const gint64 over = (MIN(tame(over_permille), 1000) * tame(vms) + 999) / 1000;

    g_string_append_printf(out, "%" G_GINT64_FORMAT " of ", over);
    append_count(out, vms, "VM", "VMs");
}

/* moved: they have some of it as well. */
static void
append_controls(GString *out, const VrHealthEvidence *evidence, gboolean moved)
{
    if (evidence->control_vms <= 0) {
        g_string_append(out, "there are no VMs elsewhere to compare with");
        return;
    }
    append_count(out, evidence->control_vms, "VM", "VMs");
    g_string_append(out, moved ? " elsewhere have part of it, which is taken off"
                               : " elsewhere unchanged");
}

static void
append_steal(GString *out, const VrHealthEvidence *evidence, const VrHealthWindow *window)
{
    g_string_append(out, "its VMs wait for a CPU ");
    append_percent(out, window->steal_ppm);
    g_string_append(out, " of the time they want one; ");
    append_percent(out, window->expected_ppm);
    g_string_append(out, " was expected at ");
    append_load(out, window->cpu_permille);
    g_string_append(out, " (before: ");
    append_percent(out, window->before_ppm);
    g_string_append(out, "); ");
    append_share(out, window->steal_over_permille, window->steal_vms);
    g_string_append(out, "; ");
    append_controls(out, evidence, window->control_excess_permille >= UNCHANGED_PERMILLE);
}

static void
append_io(GString *out, const VrHealthEvidence *evidence, const VrHealthWindow *window)
{
    g_string_append(out, "a disk request of its VMs takes ");
    append_ms(out, window->latency_us);
    g_string_append(out, "; it took ");
    append_ms(out, window->latency_before_us);
    g_string_append(out, " before; ");
    append_share(out, window->io_over_permille, window->io_vms);
    g_string_append(out, "; ");
    append_controls(out, evidence, window->control_shift_q8 >= UNCHANGED_Q8);
}

static void
append_vm(GString *out, const VrHealthEvidence *evidence, const char *vm)
{
    if (vm == NULL && evidence->witness_count > 0)
        vm = evidence->witnesses[0].vm;
    g_string_append_printf(out, "VM %s", vm != NULL ? vm : "(unknown)");
}

static void
append_severe(GString *out, VrHealthRule rule, const VrHealthEvidence *evidence)
{
    const VrHealthLimits *limits = &evidence->limits;

    if (rule == VR_HEALTH_RULE_SEVERE_IO) {
        g_string_append(out, "disk requests of half of its VMs take ");
        append_ms(out, limits->severe_io_us);
        g_string_append(out, " and more in 3 samples running; ");
    } else if (rule == VR_HEALTH_RULE_IO_STOPPED) {
        g_string_append(out, "most VMs that always have disk requests completed none in 3 samples "
                             "running; ");
    } else {
        g_string_append(out, "half of its VMs get no CPU for ");
        append_percent(out, tame(limits->severe_steal_permille) * 1000);
        g_string_append(out, " of all time and more, in 3 samples running at ");
        append_load(out, evidence->cpu_permille);
        g_string_append(out, "; ");
    }
    append_controls(out, evidence, FALSE);
}

static void
append_finding(GString *out, VrHealthRule rule, const VrHealthEvidence *evidence, const char *vm)
{
    const VrHealthWindow *window = &evidence->relative;

    if (rule == VR_HEALTH_RULE_FLEET_WIDE) {
        g_string_append(out, "VMs on untouched hosts have changed as well: their load or their "
                             "disks; ");
        append_count(out, evidence->control_vms, "VM", "VMs");
        g_string_append(out, " looked at");
    } else if (rule == VR_HEALTH_RULE_VM_LOAD) {
        append_vm(out, evidence, vm);
        g_string_append_printf(out,
                               " wants %" G_GINT64_FORMAT ".%" G_GINT64_FORMAT
                               " CPUs more than before; nothing points at the host",
                               tame(evidence->rise_vm_mvcpu) / 1000,
                               tame(evidence->rise_vm_mvcpu) % 1000 / 100);
    } else if (rule == VR_HEALTH_RULE_VM_IO) {
        append_vm(out, evidence, vm);
        g_string_append(out, " has much slower disk requests than before, most others do not");
    } else {
        append_steal(out, evidence, window);
        g_string_append(out, "; it is too full to blame the update: it takes no more VMs");
    }
}

static void
append_unknown(GString *out, VrHealthRule rule, const VrHealthEvidence *evidence)
{
    if (rule == VR_HEALTH_RULE_HOST_UNREAD) {
        g_string_append(out, "was not read ");
        append_count(out, evidence->unread_row, "time", "times");
        g_string_append(out, " in a row: the clock of its gate stands still");
    } else if (rule == VR_HEALTH_RULE_STEAL_UNAVAILABLE) {
        g_string_append(out, "says that no VM ever waited for a CPU, which is not believed at ");
        append_load(out, evidence->critical.cpu_permille);
        g_string_append(out, ": check /proc/sys/kernel/sched_schedstats and its kernel");
    } else if (rule == VR_HEALTH_RULE_NO_CONTROLS) {
        g_string_append(out, "cannot be judged fully: only ");
        append_count(out, evidence->control_vms, "VM", "VMs");
        g_string_append(out, " elsewhere to compare with; severe changes and steal are seen");
    } else {
        g_string_append(out, "has too few busy VMs to be judged; severe changes and probes are "
                             "seen");
    }
}

static void
append_rule(GString *out, VrHealthRule rule, const VrHealthEvidence *evidence, const char *vm)
{
    switch (rule) {
    case VR_HEALTH_RULE_NONE:
        g_string_append(out, "nothing to tell");
        return;
    case VR_HEALTH_RULE_GUEST_LOST:
        append_vm(out, evidence, vm);
        g_string_append(out, " has crashed or was paused by an I/O error");
        return;
    case VR_HEALTH_RULE_PROBE_LOST:
        append_vm(out, evidence, vm);
        g_string_append(out, " has not answered its probe 3 times running");
        return;
    case VR_HEALTH_RULE_SEVERE_STEAL:
    case VR_HEALTH_RULE_SEVERE_IO:
    case VR_HEALTH_RULE_IO_STOPPED:
    case VR_HEALTH_RULE_SEVERE_CROWDING:
        append_severe(out, rule, evidence);
        return;
    case VR_HEALTH_RULE_CRITICAL_STEAL:
        append_steal(out, evidence, &evidence->critical);
        return;
    case VR_HEALTH_RULE_CRITICAL_IO:
        append_io(out, evidence, &evidence->critical);
        return;
    case VR_HEALTH_RULE_DRIFT_STEAL:
        g_string_append(out, "steal grows minute by minute: ");
        append_steal(out, evidence, &evidence->critical);
        return;
    case VR_HEALTH_RULE_DRIFT_IO:
        g_string_append(out, "disk requests slow down minute by minute: ");
        append_io(out, evidence, &evidence->critical);
        return;
    case VR_HEALTH_RULE_STALLS:
        g_string_append_printf(out,
                               "disk requests of half of its VMs stalled in %" G_GINT64_FORMAT
                               " of the last 30 samples; ",
                               tame(evidence->stalls));
        append_controls(out, evidence, FALSE);
        return;
    case VR_HEALTH_RULE_RELATIVE_STEAL:
        append_steal(out, evidence, &evidence->relative);
        return;
    case VR_HEALTH_RULE_RELATIVE_IO:
        append_io(out, evidence, &evidence->relative);
        return;
    case VR_HEALTH_RULE_HOST_UNREAD:
    case VR_HEALTH_RULE_STEAL_UNAVAILABLE:
    case VR_HEALTH_RULE_NO_CONTROLS:
    case VR_HEALTH_RULE_TOO_FEW:
        append_unknown(out, rule, evidence);
        return;
    case VR_HEALTH_RULE_FLEET_WIDE:
    case VR_HEALTH_RULE_VM_LOAD:
    case VR_HEALTH_RULE_CROWDED:
    case VR_HEALTH_RULE_VM_IO:
    case VR_HEALTH_RULE_TOO_FULL:
        append_finding(out, rule, evidence, vm);
        return;
    }
    g_assert_not_reached();
}

char *
vr_health_sentence(const VrHealthFinding *finding, const VrHealthEvidence *evidence,
                   const char *host, const char *vm)
{
    GString *out = g_string_new(host);
    const gboolean subject_is_host = finding->cause == VR_HEALTH_CAUSE_UNKNOWN;

    g_string_append(out, subject_is_host ? " " : ": ");
    append_rule(out, finding->rule, evidence, vm);
    g_string_append_c(out, '.');
    return g_string_free(out, FALSE);
}
