/* Matrix products in bf16 on a processor with AMX, on one thread: factors rounded to bf16, sums in float32.

Factors are packed into tiles of 16 rows of 64 bytes. A left tile holds 16 rows of 32 inner elements; a right tile 16
pairs of inner elements for 16 columns. A matrix is a grid of tiles, those of the same rows or columns one after the
other along the inner dimension, filled up with zeros. Every element of a result is a sum whose order depends on the
inner dimension alone, whatever the number of trials or the other elements: its bits depend on nothing else. Denormal
factors count as 0. Trials' matrices are `stride` elements apart; weights are [inputs, units].
*/
#include <stdint.h>

#if !(defined(__AMX_BF16__) || defined(__AMXBF16__)) || !defined(__AVX512F__) || !defined(__AVX512BW__) || \
    !defined(__AVX512VL__) || !defined(__AVX512BF16__)
int64_t tiles_available(void) { return 0; }
#else
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REQUEST_TILES 0x1023 /* arch_prctl: permission for the tiles' registers, ARCH_REQ_XCOMP_PERM */
#define TILE_DATA 18         /* their number among the extended states */
#define SIDE 16              /* rows of a tile, and float32 elements in one */
#define INNER 32             /* inner dimension of a tile */
#define AT_ONCE 13           /* inner tiles multiplied at once: two times so many right tiles stay in the first cache */
#define CONSTANTS 8          /* numbers of a trial that a step of Adam needs */
#define TILE 512             /* elements of a packed tile */
#define INLINE static inline __attribute__((always_inline))
#define COMPLETE_WRITES() __asm__ volatile("" ::: "memory") /* compilers do not know what loads of tiles read */

typedef uint16_t bf16;

int64_t tiles_available(void) { return syscall(SYS_arch_prctl, REQUEST_TILES, TILE_DATA) == 0; }

void adam_step(int64_t trials, int64_t stride, int64_t start, int64_t weights_end, int64_t end, const float *gradients,
               float *rows, float *means, float *squares, const void *adams);

INLINE int64_t tiles_of(int64_t elements, int64_t size) { return (elements + size - 1) / size; }

typedef struct {
    void *memory[3];
    int64_t bytes[3];
} Scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *kept)
{
    for (int i = 0; i < 3; i++)
        free(((Scratch *)kept)->memory[i]);
    free(kept);
}

static void create_scratch_key(void) { pthread_key_create(&scratch_key, free_scratch); }

static void *required(void *memory)
{
    if (memory)
        return memory;
    fputs("actbench: no memory for a product in bf16\n", stderr);
    abort();
}

/* Memory for packed factors, kept from call to call until the thread ends. */
static void *scratch(int64_t number, int64_t bytes)
{
    pthread_once(&scratch_once, create_scratch_key);
    Scratch *kept = pthread_getspecific(scratch_key);
    if (!kept) {
        kept = required(calloc(1, sizeof(Scratch)));
        pthread_setspecific(scratch_key, kept);
    }
    if (kept->bytes[number] < bytes) {
        free(kept->memory[number]);
        kept->memory[number] = required(aligned_alloc(64, (size_t)tiles_of(bytes, 64) * 64));
        kept->bytes[number] = bytes;
    }
    return kept->memory[number];
}

INLINE __mmask16 first(int64_t count) { return count >= SIDE ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1); }

/* 32 elements of a row, those from `count` on as zeros. */
INLINE __m512i round_row(const float *row, int64_t count)
{
    __m512 low = _mm512_maskz_loadu_ps(first(count), row), high = _mm512_maskz_loadu_ps(first(count - SIDE), row + SIDE);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* The elements of two vectors of 16, in turn. */
INLINE __m512i in_turn(__m512i both)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                           5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, both);
}

/* 16 columns of two rows, in turn; columns from `count` on, and a second row that is not there, as zeros. */
INLINE __m512i round_pair(const float *rows, int64_t stride, int64_t left, int64_t count)
{
    __mmask16 mask = first(count);
    __m512 one = _mm512_maskz_loadu_ps(left > 0 ? mask : 0, rows);
    __m512 two = _mm512_maskz_loadu_ps(left > 1 ? mask : 0, rows + stride);
    return in_turn((__m512i)_mm512_cvtne2ps_pbh(two, one));
}

/* Turn 16 rows of 16 pairs. */
INLINE void turn(__m512i *rows)
{
    __m512i pairs[SIDE];
    for (int i = 0; i < SIDE; i += 2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < SIDE; i += 4)
        for (int j = 0; j < 2; j++) {
            rows[i + 2 * j] = _mm512_unpacklo_epi64(pairs[i + j], pairs[i + 2 + j]);
            rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(pairs[i + j], pairs[i + 2 + j]);
        }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            pairs[8 * j + i] = _mm512_shuffle_i32x4(rows[8 * j + i], rows[8 * j + 4 + i], 0x88);
            pairs[8 * j + 4 + i] = _mm512_shuffle_i32x4(rows[8 * j + i], rows[8 * j + 4 + i], 0xdd);
        }
    for (int i = 0; i < 8; i++) {
        rows[i] = _mm512_shuffle_i32x4(pairs[i], pairs[8 + i], 0x88);
        rows[8 + i] = _mm512_shuffle_i32x4(pairs[i], pairs[8 + i], 0xdd);
    }
}

/* Pack a matrix [outer, inner] with rows `stride` apart: as a left factor, or as a right one that is turned. */
INLINE void pack_rows(const float *matrix, int64_t stride, int64_t outer, int64_t inner, int is_turned, bf16 *packed)
{
    for (int64_t at = 0; at < outer; at += SIDE)
        for (int64_t k = 0; k < inner; k += INNER, packed += TILE) {
            __m512i rows[SIDE];
            for (int i = 0; i < SIDE; i++)
                rows[i] = at + i < outer ? round_row(matrix + (at + i) * stride + k, inner - k) : _mm512_setzero_si512();
            if (is_turned)
                turn(rows);
            for (int i = 0; i < SIDE; i++)
                _mm512_store_si512(packed + i * INNER, rows[i]);
        }
}

/* Pack a matrix [inner, outer] with rows `stride` apart into a right factor that has `inner_tiles`. */
INLINE void pack_columns(const float *matrix, int64_t stride, int64_t inner, int64_t outer, int64_t inner_tiles,
                         bf16 *packed)
{
    for (int64_t pair = 0; pair < tiles_of(inner, INNER) * SIDE; pair++)
        for (int64_t at = 0; at < outer; at += SIDE)
            _mm512_store_si512(packed + (at / SIDE * inner_tiles + pair / SIDE) * TILE + pair % SIDE * INNER,
                               round_pair(matrix + 2 * pair * stride + at, stride, inner - 2 * pair, outer - at));
}

/* Pack a matrix [inner, outer] with rows `stride` apart, turned, as a left factor. */
INLINE void pack_columns_turned(const float *matrix, int64_t stride, int64_t inner, int64_t outer, bf16 *packed)
{
    for (int64_t at = 0; at < outer; at += SIDE)
        for (int64_t k = 0; k < inner; k += INNER, packed += TILE) {
            __m512i rows[SIDE];
            for (int i = 0; i < SIDE; i++)
                rows[i] = round_pair(matrix + (k + 2 * i) * stride + at, stride, inner - k - 2 * i, outer - at);
            turn(rows);
            for (int i = 0; i < SIDE; i++)
                _mm512_store_si512(packed + i * INNER, rows[i]);
        }
}

INLINE void configure(void)
{
    struct { uint8_t palette, start, zeros[14]; uint16_t bytes[16]; uint8_t rows[16]; } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.bytes[i] = 64;
        shape.rows[i] = SIDE;
    }
    COMPLETE_WRITES();
    _tile_loadconfig(&shape);
}

/* Load a tile of sums of a matrix, or store it, where a part of the tile may lie beyond the matrix. */
#define TILE_OF_SUMS(tile, down, across, TRANSFER, COPY)                                              \
    {                                                                                                  \
        int64_t height = rows - SIDE * down, width = columns - SIDE * across;                          \
        float *at = out + SIDE * down * stride + SIDE * across;                                        \
        if (height >= SIDE && width >= SIDE)                                                           \
            TRANSFER(tile, at, stride * 4);                                                            \
        else if (height > 0 && width > 0)                                                              \
            COPY(tile)                                                                                 \
    }
#define LOAD_PART(tile)                                                                                \
    {                                                                                                  \
        for (int64_t row = 0; row < (height < SIDE ? height : SIDE); row++)                            \
            _mm512_store_ps(sums + row * SIDE, _mm512_maskz_loadu_ps(first(width), at + row * stride)); \
        COMPLETE_WRITES();                                                                             \
        _tile_loadd(tile, sums, 64);                                                                   \
        COMPLETE_WRITES();                                                                             \
    }
#define STORE_PART(tile)                                                                               \
    {                                                                                                  \
        _tile_stored(tile, sums, 64);                                                                  \
        for (int64_t row = 0; row < (height < SIDE ? height : SIDE); row++)                            \
            _mm512_mask_storeu_ps(at + row * stride, first(width), _mm512_load_ps(sums + row * SIDE)); \
    }
#define FOUR_TILES(TRANSFER, COPY)                                                                     \
    TILE_OF_SUMS(0, 0, 0, TRANSFER, COPY)                                                              \
    TILE_OF_SUMS(1, 0, 1, TRANSFER, COPY)                                                              \
    TILE_OF_SUMS(2, 1, 0, TRANSFER, COPY)                                                              \
    TILE_OF_SUMS(3, 1, 1, TRANSFER, COPY)

/* out [rows, columns] = start + left right, for at most two tiles in either direction and `count` of the `inner_tiles`;
   start is out itself, or at first `bias` [32] for every row, or 0 where that is NULL. */
INLINE void multiply_block(int64_t rows, int64_t columns, int64_t inner_tiles, int64_t count, const bf16 *left,
                           const bf16 *right, int is_first, const float *bias, float *out, int64_t stride)
{
    _Alignas(64) float sums[SIDE * SIDE] = {0};
    int is_tall = rows > SIDE, is_wide = columns > SIDE;
    const bf16 *below = is_tall ? left + inner_tiles * TILE : left, *beside = is_wide ? right + inner_tiles * TILE : right;
    COMPLETE_WRITES();
    if (!is_first) {
        FOUR_TILES(_tile_loadd, LOAD_PART)
    } else if (bias) { /* the same row for every row of the tile */
        _tile_loadd(0, bias, 0);
        _tile_loadd(1, bias + SIDE, 0);
        _tile_loadd(2, bias, 0);
        _tile_loadd(3, bias + SIDE, 0);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t k = 0; k < count * TILE; k += TILE) {
        _tile_loadd(4, left + k, 64);
        _tile_loadd(6, right + k, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (is_wide) {
            _tile_loadd(7, beside + k, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (is_tall) {
            _tile_loadd(5, below + k, 64);
            _tile_dpbf16ps(2, 5, 6);
            if (is_wide)
                _tile_dpbf16ps(3, 5, 7);
        }
    }
    FOUR_TILES(_tile_stored, STORE_PART)
}

/* out [rows, columns] = bias + left right, packed; bias [columns], or NULL for zeros. */
static void multiply(int64_t rows, int64_t columns, int64_t inner, const bf16 *left, const bf16 *right, const float *bias,
                     float *out, int64_t stride)
{
    int64_t inner_tiles = tiles_of(inner, INNER);
    for (int64_t column = 0; column < columns; column += 2 * SIDE) {
        float start[2 * SIDE] = {0};
        int64_t width = columns - column < 2 * SIDE ? columns - column : 2 * SIDE;
        if (bias)
            memcpy(start, bias + column, sizeof(float) * width);
        for (int64_t k = 0; k < inner_tiles; k += AT_ONCE) /* right tiles stay in the first cache for all rows */
            for (int64_t row = 0; row < rows; row += 2 * SIDE)
                multiply_block(rows - row, columns - column, inner_tiles, inner_tiles - k < AT_ONCE ? inner_tiles - k : AT_ONCE,
                               left + (row / SIDE * inner_tiles + k) * TILE,
                               right + (column / SIDE * inner_tiles + k) * TILE, k == 0, bias ? start : NULL,
                               out + row * stride + column, stride);
    }
}

INLINE bf16 *packed_memory(int64_t number, int64_t outer, int64_t inner)
{
    return scratch(number, sizeof(bf16) * TILE * tiles_of(outer, SIDE) * tiles_of(inner, INNER));
}

/* The sums over the images of the gradients [images, units]. */
static void sum_rows(int64_t images, int64_t units, const float *gradients, float *sums)
{
    for (int64_t unit = 0; unit < units; unit += SIDE) {
        __mmask16 mask = first(units - unit);
        __m512 sum = _mm512_setzero_ps();
        for (int64_t image = 0; image < images; image++)
            sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, gradients + image * units + unit));
        _mm512_mask_storeu_ps(sums + unit, mask, sum);
    }
}

/* outs = values W + bias; values [trials, images, inputs], outs [trials, images, units]. */
void tile_forward(int64_t trials, int64_t images, int64_t inputs, int64_t units, const float *values, int64_t value_stride,
                  const float *weights, int64_t weight_stride, const float *biases, int64_t bias_stride, float *outs)
{
    bf16 *left = packed_memory(0, images, inputs), *right = packed_memory(1, units, inputs);
    configure();
    for (int64_t trial = 0; trial < trials; trial++) {
        pack_rows(values + trial * value_stride, inputs, images, inputs, 0, left);
        pack_columns(weights + trial * weight_stride, units, inputs, units, tiles_of(inputs, INNER), right);
        multiply(images, units, inputs, left, right, biases + trial * bias_stride, outs + trial * images * units, units);
    }
    _tile_release();
}

/* The gradients of weights and biases, given those of the outs. */
void tile_gradients(int64_t trials, int64_t images, int64_t inputs, int64_t units, const float *values,
                    int64_t value_stride, const float *gradients, float *weight_gradients, int64_t weight_stride,
                    float *bias_gradients, int64_t bias_stride)
{
    bf16 *left = packed_memory(0, inputs, images), *right = packed_memory(1, units, images);
    configure();
    for (int64_t trial = 0; trial < trials; trial++) {
        const float *gradient = gradients + trial * images * units;
        pack_columns_turned(values + trial * value_stride, inputs, images, inputs, left);
        pack_columns(gradient, units, images, units, tiles_of(images, INNER), right);
        multiply(inputs, units, images, left, right, NULL, weight_gradients + trial * weight_stride, units);
        sum_rows(images, units, gradient, bias_gradients + trial * bias_stride);
    }
    _tile_release();
}

/* value_gradients = gradients W'; value_gradients [trials, images, inputs]. */
void tile_backward(int64_t trials, int64_t images, int64_t inputs, int64_t units, const float *gradients,
                   const float *weights, int64_t weight_stride, float *value_gradients)
{
    bf16 *left = packed_memory(0, images, units), *right = packed_memory(1, inputs, units);
    configure();
    for (int64_t trial = 0; trial < trials; trial++) {
        pack_rows(gradients + trial * images * units, units, images, units, 0, left);
        pack_rows(weights + trial * weight_stride, units, inputs, units, 1, right);
        multiply(images, inputs, units, left, right, NULL, value_gradients + trial * images * inputs, inputs);
    }
    _tile_release();
}

/* What each byte is scaled to, in bf16, as eight vectors of 32. */
typedef struct {
    __m512i parts[8];
} Table;

INLINE Table round_table(const float *scaled)
{
    Table table;
    for (int i = 0; i < 8; i++)
        table.parts[i] = round_row(scaled + i * INNER, INNER);
    return table;
}

/* 32 bytes of a row by the table; those from `count` on, and of a row that is not there, as zeros. */
INLINE __m512i look_up(const Table *table, const uint8_t *row, int64_t count)
{
    __mmask32 mask = count >= INNER ? 0xffffffff : count <= 0 ? 0 : (__mmask32)((1u << count) - 1);
    __m512i bytes = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, row)), quarters[4];
    for (int i = 0; i < 4; i++)
        quarters[i] = _mm512_permutex2var_epi16(table->parts[2 * i], bytes, table->parts[2 * i + 1]);
    __mmask32 in_odd = _mm512_test_epi16_mask(bytes, _mm512_set1_epi16(64));
    __mmask32 in_upper = _mm512_test_epi16_mask(bytes, _mm512_set1_epi16(128));
    __m512i lower = _mm512_mask_mov_epi16(quarters[0], in_odd, quarters[1]);
    __m512i upper = _mm512_mask_mov_epi16(quarters[2], in_odd, quarters[3]);
    return _mm512_maskz_mov_epi16(mask, _mm512_mask_mov_epi16(lower, in_upper, upper));
}

/* Pack images [count, features] as a left factor, and turned where `turned` is not NULL. */
static void pack_images(const uint8_t *images, int64_t count, int64_t features, const float *scaled, bf16 *left,
                        bf16 *turned)
{
    Table table = round_table(scaled);
    int64_t inner = tiles_of(features, INNER), image_tiles = tiles_of(count, INNER);
    for (int64_t image = 0; image < tiles_of(count, INNER) * INNER; image++) {
        const uint8_t *row = images + image * features;
        bf16 *out = left + image / SIDE * inner * TILE + image % SIDE * INNER;
        for (int64_t k = 0; k < inner; k++)
            _mm512_store_si512(out + k * TILE, look_up(&table, row + k * INNER, image < count ? features - k * INNER : 0));
    }
    if (!turned)
        return;
    const __m512i upper = _mm512_set_epi16(63, 31, 62, 30, 61, 29, 60, 28, 59, 27, 58, 26, 57, 25, 56, 24, 55, 23, 54, 22,
                                           53, 21, 52, 20, 51, 19, 50, 18, 49, 17, 48, 16);
    const __m512i lower = _mm512_sub_epi16(upper, _mm512_set1_epi16(16));
    for (int64_t k = 0; k < inner; k++)
        for (int64_t at = 0; at < image_tiles; at++)
            for (int half = 0; half < 2 && k * INNER + half * SIDE < features; half++) {
                __m512i pairs[SIDE];
                for (int i = 0; i < SIDE; i++) {
                    const bf16 *pair = left + (2 * at + i / 8) * inner * TILE + k * TILE + i % 8 * 2 * INNER;
                    pairs[i] = _mm512_permutex2var_epi16(_mm512_load_si512(pair), half ? upper : lower,
                                                         _mm512_load_si512(pair + INNER));
                }
                turn(pairs);
                bf16 *out = turned + ((2 * k + half) * image_tiles + at) * TILE;
                for (int i = 0; i < SIDE; i++)
                    _mm512_store_si512(out + i * INNER, pairs[i]);
            }
}

/* outs[trial] = inputs[seed of trial] W[trial] + bias[trial] for inputs [seeds, count, features] of bytes; `scaled`
   [seeds, 256] is what each byte stands for. `packed` [trials, tiles] has memory for the weights in tiles, which are packed
   unless `is_packed`. */
void tile_images_forward(int64_t trials, const int64_t *seed_index, int64_t seeds, int64_t count, int64_t features,
                         const uint8_t *images, const float *scaled, int64_t units, const float *weights,
                         int64_t weight_stride, bf16 *packed, int64_t is_packed, const float *biases,
                         int64_t bias_stride, float *outs)
{
    int64_t inner_tiles = tiles_of(features, INNER), packed_size = TILE * inner_tiles * tiles_of(units, SIDE);
    bf16 *left = packed_memory(0, tiles_of(count, INNER) * INNER, features);
    configure();
    for (int64_t seed = 0; seed < seeds; seed++) {
        pack_images(images + seed * count * features, count, features, scaled + seed * 256, left, NULL);
        for (int64_t trial = 0; trial < trials; trial++) {
            if (seed_index[trial] != seed)
                continue;
            bf16 *right = packed + trial * packed_size;
            if (!is_packed)
                pack_columns(weights + trial * weight_stride, units, features, units, inner_tiles, right);
            multiply(count, units, features, left, right, biases + trial * bias_stride, outs + trial * count * units, units);
        }
    }
    _tile_release();
}

/* The gradients of weights and biases, given those of the outs. With `adams` [trials], a step of Adam is taken along the
   gradients of the weights, which are not written, and the weights are packed again; `weights`, `means` and `squares`
   have the stride of the gradients. */
void tile_images_gradient(int64_t trials, const int64_t *seed_index, int64_t seeds, int64_t count, int64_t features,
                          const uint8_t *images, const float *scaled, int64_t units, const float *gradients,
                          float *weight_gradients, int64_t weight_stride, float *bias_gradients, int64_t bias_stride,
                          bf16 *packed, const float *adams, float *weights, float *means, float *squares)
{
    int64_t inner_tiles = tiles_of(features, INNER), packed_size = TILE * inner_tiles * tiles_of(units, SIDE);
    int64_t padded = tiles_of(count, INNER) * INNER, left_tiles = tiles_of(padded, SIDE) * tiles_of(features, INNER);
    bf16 *left = scratch(0, sizeof(bf16) * TILE * (left_tiles + tiles_of(features, SIDE) * padded / INNER));
    bf16 *turned = left + TILE * left_tiles, *right = packed_memory(1, units, count);
    float *block = scratch(2, sizeof(float) * 2 * SIDE * units);
    configure();
    for (int64_t seed = 0; seed < seeds; seed++) {
        pack_images(images + seed * count * features, count, features, scaled + seed * 256, left, turned);
        for (int64_t trial = 0; trial < trials; trial++) {
            if (seed_index[trial] != seed)
                continue;
            const float *gradient = gradients + trial * count * units;
            pack_columns(gradient, units, count, units, padded / INNER, right);
            sum_rows(count, units, gradient, bias_gradients + trial * bias_stride);
            for (int64_t feature = 0; feature < features; feature += 2 * SIDE) {
                int64_t from = trial * weight_stride + feature * units;
                int64_t height = features - feature < 2 * SIDE ? features - feature : 2 * SIDE;
                float *out = adams ? block : weight_gradients + from;
                multiply(height, units, count, turned + feature / SIDE * padded / INNER * TILE, right, NULL, out, units);
                if (!adams)
                    continue;
                adam_step(1, 0, 0, height * units, height * units, block, weights + from, means + from, squares + from,
                          adams + CONSTANTS * trial);
                pack_columns(weights + from, units, height, units, inner_tiles,
                             packed + trial * packed_size + feature / INNER * TILE);
            }
        }
    }
    _tile_release();
}
#endif
