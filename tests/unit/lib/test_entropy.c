/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: lib/entropy.c */
/* test_entropy.c: the generator against RFC 8439's vector, and what it must never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/entropy.h"

static void block_is_that_of_rfc_8439(void **context)
{
    static const uint32_t nonce[3] = { 0x09000000, 0x4A000000, 0 };
    static const uint32_t expected[16] = { 0xE4E7F110, 0x15593BD1, 0x1FDD0F50, 0xC47120A3, 0xC7F4D1C7, 0x0368C033,
                                           0x9AAA2204, 0x4E6CD4C3, 0x466482D2, 0x09AA9F07, 0x05D7C214, 0xA2028BD9,
                                           0xD19C12B5, 0xB94E16DE, 0xE883D0CB, 0x4E3C50A2 }; /* §2.3.2 */
    uint8_t key[32];
    uint32_t words[8], out[16];

    (void)context;
    for (unsigned i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    memcpy(words, key, sizeof(words));
    entropy_block(words, 1, nonce, out);
    assert_memory_equal(out, expected, sizeof(out));
}

static void two_uses_differ_and_the_key_moves_on(void **context)
{
    static const uint8_t seed[ENTROPY_SEED_BYTES] = { 1, 2, 3 };
    struct entropy e;
    uint8_t a[100], b[100];
    uint32_t key[8];

    (void)context;
    entropy_init(&e, seed);
    assert_memory_not_equal(e.key, seed, sizeof(seed));
    memcpy(key, e.key, sizeof(key));
    entropy_bytes(&e, a, sizeof(a));
    assert_memory_not_equal(e.key, key, sizeof(key));
    entropy_bytes(&e, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, a + 50, 50);
}

static void exactly_the_asked_length_is_written(void **context)
{
    static const uint8_t seed[ENTROPY_SEED_BYTES];
    struct entropy e;
    uint8_t bytes[300];

    (void)context;
    entropy_init(&e, seed);
    for (size_t length = 0; length < 200; length++) {
        unsigned zeros = 0;

        memset(bytes, 0, sizeof(bytes));
        entropy_bytes(&e, bytes, length);
        for (size_t i = length; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], 0);
        for (size_t i = 0; i < length; i++)
            zeros += bytes[i] == 0;
        assert_true(zeros <= 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_is_that_of_rfc_8439),
        cmocka_unit_test(two_uses_differ_and_the_key_moves_on),
        cmocka_unit_test(exactly_the_asked_length_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
