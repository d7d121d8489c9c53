/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/config/config.c services/config/rules.c services/config/schema.c services/config/values.c
 *          services/common/words.c */
/* LIBS: cjson */
/* test_config.c: a configuration is read as it was meant, or refused with a sentence that names the key. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/syscall.h"
#include "services/common/words.h"
#include "services/config/config.h"
#include "services/config/values.h"

#define LAN "\"network\": [{\"name\": \"lan\", \"subnet\": \"10.0.0.0/24\"}]"
#define VM(extra) "{\"vm\": [{\"name\": \"a\", \"memory\": \"64M\", \"kernel\": \"k\"" extra "}]}"
#define NET_VM(nic) "{" LAN ", \"vm\": [{\"name\": \"a\", \"memory\": 64, \"kernel\": \"k\", \"nics\": [" nic "]}]}"

static struct config config;

static void accepts(const char *json)
{
    struct config_error error;

    if (config_read(json, strlen(json), &config, &error) != CL_OK)
        fail_msg("refused: %s", error.text);
}

/* The message begins with the key's path and contains `part`. */
static void refuses(const char *json, const char *path, const char *part)
{
    struct config_error error;

    assert_int_equal(config_read(json, strlen(json), &config, &error), CL_BAD_ARGUMENT);
    if (strncmp(error.text, path, strlen(path)) != 0 || error.text[strlen(path)] != ':')
        fail_msg("'%s' does not begin with '%s:'", error.text, path);
    if (strstr(error.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, part);
}

static void a_whole_configuration_is_read(void **state)
{
    (void)state;
    accepts(
        "{\"host\": {\"hostname\": \"box\", \"loglevel\": \"debug\", \"headless\": true}," LAN ", \"vm\": ["
        "{\"name\": \"alpha\", \"memory\": \"1G\", \"vcpus\": 64, \"kernel\": \"vm/alpha/kernel\", \"initrd\": \"i\","
        " \"cmdline\": \"quiet\", \"nics\": [{\"network\": \"lan\", \"mac\": \"02:00:00:00:00:0A\","
        " \"ip\": \"10.0.0.7\"}], \"disks\": [{\"image\": \"d\", \"readonly\": true}], \"console\": \"serial\", \"local_apic\": \"software\","
        " \"autostart\": false, \"weight\": 2048, \"on_crash\": \"restart\", \"on_reboot\": \"destroy\","
        " \"on_poweroff\": \"preserve\"}, {\"name\": \"beta\", \"memory\": 64, \"kernel\": \"k\","
        " \"debug_exit\": 17, \"disk\": \"d2\"}]}");
    assert_string_equal(config.host.hostname, "box");
    assert_int_equal(config.host.loglevel, 3);
    assert_true(config.host.headless);
    assert_int_equal(config.vm_count, 2);
    assert_int_equal(config.vm[0].memory_bytes, 1 << 30);
    assert_int_equal(config.vm[0].vcpus, 64);
    assert_int_equal(config.vm[0].nic[0].ip.address, 0x0a000007);
    assert_int_equal(config.vm[0].nic[0].ip.prefix, 24);
    assert_int_equal(config.vm[0].nic[0].mac[5], 10);
    assert_int_equal(config.vm[0].console, CONFIG_CONSOLE_SERIAL);
    assert_int_equal(config.vm[0].local_apic, VCPU_APIC_SOFTWARE);
    assert_int_equal(config.vm[0].on_crash, CONFIG_RESTART);
    assert_int_equal(config.vm[0].on_reboot, CONFIG_DESTROY);
    assert_int_equal(config.vm[0].on_poweroff, CONFIG_PRESERVE);
    assert_int_equal(config.vm[0].debug_exit, CONFIG_NO_VALUE);
    assert_false(config.vm[0].autostart);
    assert_int_equal(config.vm[1].memory_bytes, 64 << 20);
    assert_int_equal(config.vm[1].debug_exit, 17);
    assert_string_equal(config.vm[1].disk[0].image, "d2");
    assert_int_equal(config.vm[1].disk_count, 1);
    assert_true(config.vm[1].autostart);
}

static void what_is_not_given_has_its_usual_value(void **state)
{
    (void)state;
    accepts("{}");
    assert_string_equal(config.host.hostname, "cloison");
    assert_int_equal(config.vm_count, 0);
    accepts(VM(""));
    assert_int_equal(config.vm[0].vcpus, 1);
    assert_int_equal(config.vm[0].weight, 1024);
    assert_int_equal(config.vm[0].local_apic, VCPU_APIC_AUTO);
    assert_int_equal(config.vm[0].on_poweroff, CONFIG_DESTROY);
    assert_int_equal(config.vm[0].on_reboot, CONFIG_RESTART);
    assert_int_equal(config.vm[0].on_crash, CONFIG_PRESERVE);
}

static void an_unknown_key_is_refused_with_a_suggestion(void **state)
{
    (void)state;
    refuses(VM(", \"memry\": 1"), "vm[0].memry", "did you mean \"memory\"");
    refuses("{\"hots\": {}}", "hots", "did you mean \"host\"");
    refuses("{\"host\": {\"zzzzzz\": 1}}", "host.zzzzzz", "there are hostname, loglevel, headless");
    refuses(NET_VM("{\"network\": \"lan\", \"adress\": 1}"), "vm[0].nics[0].adress", "there is no such key");
}

static void a_wrong_type_is_refused_with_what_was_found(void **state)
{
    (void)state;
    refuses(VM(", \"vcpus\": \"two\""), "vm[0].vcpus", "found \"two\"");
    refuses(VM(", \"vcpus\": 1.5"), "vm[0].vcpus", "found 1.5");
    refuses(VM(", \"vcpus\": -1"), "vm[0].vcpus", "found -1");
    refuses(VM(", \"autostart\": \"yes\""), "vm[0].autostart", "true or false");
    refuses(VM(", \"nics\": {}"), "vm[0].nics", "found a table");
    refuses(VM(", \"nics\": [1]"), "vm[0].nics[0]", "no table");
    refuses("{\"vm\": 3}", "vm", "[[vm]]");
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": true, \"kernel\": \"k\"}]}", "vm[0].memory", "found true");
    refuses("[]", "", "no table");
    refuses("{", "configuration", "not JSON");
    refuses("", "configuration", "not JSON");
}

static void a_missing_key_is_named(void **state)
{
    (void)state;
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": 64}]}", "vm[0].kernel", "is missing");
    refuses("{\"vm\": [{\"memory\": 64, \"kernel\": \"k\"}]}", "vm[0].name", "is missing");
    refuses(NET_VM("{}"), "vm[0].nics[0].network", "is missing");
}

static void an_impossible_value_is_refused_with_what_would_be_right(void **state)
{
    (void)state;
    refuses("{\"vm\": [{\"name\": \"a b\", \"memory\": 64, \"kernel\": \"k\"}]}", "vm[0].name", "letters");
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": \"64Q\", \"kernel\": \"k\"}]}", "vm[0].memory", "\"256M\"");
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": 8, \"kernel\": \"k\"}]}", "vm[0].memory", "16M");
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": 65, \"kernel\": \"k\"}]}", "vm[0].memory", "multiple of 2 MiB");
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": 99999999999999999999, \"kernel\": \"k\"}]}", "vm[0].memory",
            "found");
    refuses(VM(", \"vcpus\": 65"), "vm[0].vcpus", "from 1 to 64");
    refuses(VM(", \"vcpus\": 0"), "vm[0].vcpus", "from 1 to 64");
    refuses(VM(", \"on_crash\": \"explode\""), "vm[0].on_crash", "\"restart\", \"destroy\" or \"preserve\"");
    refuses(VM(", \"local_apic\": \"kernel\""), "vm[0].local_apic", "\"auto\", \"software\" or \"hardware\"");
    refuses(VM(", \"local_apic\": true"), "vm[0].local_apic", "found true");
    refuses(VM(", \"console\": \"vga\""), "vm[0].console", "\"virtio\" or \"serial\"");
    refuses(VM(", \"disks\": [{\"image\": \"d\", \"readonly\": false}]"), "vm[0].disks[0].readonly", "not there yet");
    refuses(VM(", \"disk\": \"d\", \"disks\": [{\"image\": \"d\"}]"), "vm[0].disk", "one of the two");
    refuses(VM(", \"initrd\": \"i\", \"module\": \"m\""), "vm[0].module", "multiboot");
    refuses(VM(", \"kernel\": \"\""), "vm[0].kernel", "given twice");
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": 64, \"kernel\": \"\"}]}", "vm[0].kernel", "path");
}

static void what_is_not_there_yet_is_refused_by_name(void **state)
{
    (void)state;
    refuses(VM(", \"firmware\": \"OVMF.fd\""), "vm[0].firmware", "not there yet");
    refuses("{\"network\": [{\"name\": \"n\", \"type\": \"nat\"}]}", "network[0].type", "no way out");
    refuses("{\"network\": [{\"name\": \"n\", \"type\": \"bridge\"}]}", "network[0].type", "driver");
    refuses("{\"network\": [{\"name\": \"n\", \"type\": \"vlan\"}]}", "network[0].type", "VLAN");
}

static void names_and_addresses_are_unique(void **state)
{
    (void)state;
    refuses("{\"vm\": [{\"name\": \"a\", \"memory\": 64, \"kernel\": \"k\"}, {\"name\": \"a\", \"memory\": 64,"
            " \"kernel\": \"k\"}]}",
            "vm[1].name", "vm[0]'s name already");
    refuses(NET_VM("{\"network\": \"lan\", \"ip\": \"10.0.0.1\"}, {\"network\": \"lan\", \"ip\": \"10.0.0.1\"}"),
            "vm[0].nics[1].ip", "each needs its own");
    refuses(NET_VM("{\"network\": \"lan\", \"mac\": \"02:00:00:00:00:01\"}, {\"network\": \"lan\","
                   " \"mac\": \"02:00:00:00:00:01\"}"),
            "vm[0].nics[1].mac", "each needs its own");
}

static void a_network_card_fits_its_network(void **state)
{
    (void)state;
    refuses(NET_VM("{\"network\": \"wan\"}"), "vm[0].nics[0].network", "found \"wan\"");
    refuses(NET_VM("{\"network\": \"lan\", \"ip\": \"10.0.1.1\"}"), "vm[0].nics[0].ip", "outside the subnet");
    refuses(NET_VM("{\"network\": \"lan\", \"ip\": \"10.0.0.255\"}"), "vm[0].nics[0].ip", "no address of one");
    refuses(NET_VM("{\"network\": \"lan\", \"ip\": \"10.0.0.0\"}"), "vm[0].nics[0].ip", "no address of one");
    refuses(NET_VM("{\"network\": \"lan\", \"ip\": \"10.0.0.256\"}"), "vm[0].nics[0].ip", "found \"10.0.0.256\"");
    refuses(NET_VM("{\"network\": \"lan\", \"mac\": \"01:00:00:00:00:01\"}"), "vm[0].nics[0].mac", "group address");
    refuses("{\"network\": [{\"name\": \"n\", \"subnet\": \"10.0.0.1/24\"}]}", "network[0].subnet", "10.0.0.0/24");
    refuses("{\"network\": [{\"name\": \"n\", \"subnet\": \"10.0.0.0\"}]}", "network[0].subnet", "prefix");
}

static void open_addresses_are_filled_in(void **state)
{
    (void)state;
    accepts(NET_VM("{\"network\": \"lan\"}, {\"network\": \"lan\", \"ip\": \"10.0.0.1\"}"));
    assert_int_equal(config.vm[0].nic[0].ip.address, 0x0a000002);
    assert_int_equal(config.vm[0].nic[0].mac[0], 2);
    assert_memory_not_equal(config.vm[0].nic[0].mac, config.vm[0].nic[1].mac, 6);
}

static void the_command_line_tells_the_guest_who_is_there(void **state)
{
    char line[2048], tiny[8];

    (void)state;
    accepts("{" LAN ", \"vm\": [{\"name\": \"alpha\", \"memory\": 64, \"kernel\": \"k\", \"cmdline\": \"quiet\","
            "\"nics\": [{\"network\": \"lan\", \"ip\": \"10.0.0.1\"}]}, {\"name\": \"beta\", \"memory\": 64,"
            "\"kernel\": \"k\", \"nics\": [{\"network\": \"lan\", \"ip\": \"10.0.0.2\"}]}, {\"name\": \"micro\","
            "\"memory\": 64, \"kernel\": \"k\", \"cmdline\": \"argument=4711\"}]}");
    assert_int_equal(config_command_line(&config, 0, line, sizeof(line)), CL_OK);
    assert_string_equal(line, "quiet cloison.hostname=alpha cloison.ip=10.0.0.1/24 "
                              "cloison.hosts=alpha:10.0.0.1,beta:10.0.0.2");
    assert_int_equal(config_command_line(&config, 1, line, sizeof(line)), CL_OK);
    assert_string_equal(line, "cloison.hostname=beta cloison.ip=10.0.0.2/24 "
                              "cloison.hosts=alpha:10.0.0.1,beta:10.0.0.2");
    assert_int_equal(config_command_line(&config, 2, line, sizeof(line)), CL_OK);
    assert_string_equal(line, "argument=4711");
    assert_int_equal(config_command_line(&config, 0, tiny, sizeof(tiny)), CL_LIMIT);
}

static void of_a_refused_configuration_the_host_is_left(void **state)
{
    static const char broken[] = "{\"vm\": [{\"name\": \"a\", \"colour\": 1}], "
                                 "\"host\": {\"hostname\": \"tower\", \"headless\": true}}";
    static const char broken_host[] = "{\"host\": {\"headless\": true, \"hostnam\": \"tower\"}}";
    struct config_error error;

    (void)state;
    assert_int_equal(config_read(broken, sizeof(broken) - 1, &config, &error), CL_BAD_ARGUMENT);
    assert_non_null(strstr(error.text, "vm[0].colour"));
    assert_int_equal(config.vm_count, 0);
    assert_true(config.host.headless);
    assert_string_equal(config.host.hostname, "tower");

    assert_int_equal(config_read(broken_host, sizeof(broken_host) - 1, &config, &error), CL_BAD_ARGUMENT);
    assert_false(config.host.headless);
    assert_string_equal(config.host.hostname, "cloison");
}

static void more_tables_than_there_is_room_for_are_refused(void **state)
{
    static char json[65536] = "{\"network\": [";

    (void)state;
    for (unsigned i = 0; i < CONFIG_NETWORKS_MAX + 1; i++)
        sprintf(json + strlen(json), "%s{\"name\": \"n%u\"}", i == 0 ? "" : ",", i);
    strcat(json, "]}");
    refuses(json, "network", "more than 16");
}

static void sizes_are_read_whole_or_not_at_all(void **state)
{
    uint64_t bytes;

    (void)state;
    assert_true(value_size("256M", &bytes) && bytes == UINT64_C(256) << 20);
    assert_true(value_size("1GiB", &bytes) && bytes == UINT64_C(1) << 30);
    assert_true(value_size("4kB", &bytes) && bytes == 4096);
    assert_false(value_size("256", &bytes));
    assert_false(value_size("M", &bytes));
    assert_false(value_size("1Mx", &bytes));
    assert_false(value_size("0x10M", &bytes));
    assert_false(value_size("99999999999999999999M", &bytes));
}

static void the_nearest_word_is_a_likely_one(void **state)
{
    static const char *const words[] = { "start", "stats", "shutdown", "suspend" };

    (void)state;
    assert_string_equal(words_nearest("strat", words, 4), "start");
    assert_string_equal(words_nearest("shutdwon", words, 4), "shutdown");
    assert_string_equal(words_nearest("suspnd", words, 4), "suspend");
    assert_null(words_nearest("elephant", words, 4));
    assert_null(words_nearest("", words, 4));
    assert_int_equal(words_distance("abcd", "abdc"), 1);
}

/* On the heap at its exact size, wherever it breaks off: a read behind it is caught. */
static void a_text_that_breaks_off_is_refused(void **state)
{
    static const char whole[] = "{\"host\": {\"headless\": true}, \"vm\": [{\"name\": \"a\", \"memory\": 64}]}";
    struct config_error error;

    (void)state;
    for (size_t length = 1; length < sizeof(whole) - 1; length++) {
        char *text = malloc(length);

        assert_non_null(text);
        memcpy(text, whole, length);
        assert_int_equal(config_read(text, length, &config, &error), CL_BAD_ARGUMENT);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_read),
        cmocka_unit_test(a_text_that_breaks_off_is_refused),
        cmocka_unit_test(what_is_not_given_has_its_usual_value),
        cmocka_unit_test(an_unknown_key_is_refused_with_a_suggestion),
        cmocka_unit_test(a_wrong_type_is_refused_with_what_was_found),
        cmocka_unit_test(a_missing_key_is_named),
        cmocka_unit_test(an_impossible_value_is_refused_with_what_would_be_right),
        cmocka_unit_test(what_is_not_there_yet_is_refused_by_name),
        cmocka_unit_test(names_and_addresses_are_unique),
        cmocka_unit_test(a_network_card_fits_its_network),
        cmocka_unit_test(open_addresses_are_filled_in),
        cmocka_unit_test(the_command_line_tells_the_guest_who_is_there),
        cmocka_unit_test(of_a_refused_configuration_the_host_is_left),
        cmocka_unit_test(more_tables_than_there_is_room_for_are_refused),
        cmocka_unit_test(sizes_are_read_whole_or_not_at_all),
        cmocka_unit_test(the_nearest_word_is_a_likely_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
