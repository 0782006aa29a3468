/* Gets the units of a group in the order of their times: group GROUP UNITS. */
#include <errno.h>
#include <inttypes.h>
#include <onair.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what, int error) {
    char text[512];
    onair_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s: %s\n", what, onair_strerror(error), text);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s GROUP UNITS\n", argv[0]);
        return 2;
    }
    onair_group group;
    int error = onair_group_attach(NULL, argv[1], &group);
    if (error < 0)
        return failed("attach", error);
    char name[64];
    for (uint32_t at = 0; (error = onair_group_member(group, at, name, sizeof name)) >= 0; at++)
        printf("member %" PRIu32 ": %s, format %d\n", at, name, error);
    for (long left = atol(argv[2]); left > 0;) {
        onair_step step = {.size = sizeof step};
        error = onair_group_next(group, &step, ONAIR_FOREVER);
        if (error < 0)
            return failed("next", error);
        if (step.kind == ONAIR_STEP_UNIT) {
            printf("unit %" PRIu32 " %" PRIu64 " %zu\n", step.member, step.media_time_ns, step.bytes);
            left--;
        } else {
            printf("step %" PRIu32 " of member %" PRIu32 "\n", step.kind, step.member);
        }
        error = onair_group_put(group, &step);
        if (error < 0)
            return failed("put", error);
    }
    error = onair_group_detach(group);
    return error < 0 ? failed("detach", error) : 0;
}
