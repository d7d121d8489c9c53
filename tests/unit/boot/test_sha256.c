/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/sha256.c */
/* test_sha256.c: the vectors of FIPS 180-4's examples, and lengths around a block's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "boot/sha256.h"

static void assert_digest(const void *data, size_t size_bytes, size_t piece, const char *expected)
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];

    sha256_begin(&hash);
    for (size_t at = 0; at < size_bytes; at += piece)
        sha256_add(&hash, (const uint8_t *)data + at, size_bytes - at < piece ? size_bytes - at : piece);
    sha256_end(&hash, digest);
    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    text[2 * SHA256_BYTES] = '\0';
    assert_string_equal(text, expected);
}

static void standard_vectors(void **state)
{
    (void)state;
    assert_digest("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void a_million_letters_in_any_pieces(void **state)
{
    static char letters[1000000];
    static const size_t pieces[] = { 1, 63, 64, 65, 1000, sizeof letters };

    (void)state;
    memset(letters, 'a', sizeof letters);
    for (unsigned i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        assert_digest(letters, sizeof letters, pieces[i],
                      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void lengths_around_a_block(void **state)
{
    char letters[64];

    (void)state;
    memset(letters, 'a', sizeof letters);
    assert_digest(letters, 55, 64, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    assert_digest(letters, 56, 64, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    assert_digest(letters, 64, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_vectors),
        cmocka_unit_test(a_million_letters_in_any_pieces),
        cmocka_unit_test(lengths_around_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
