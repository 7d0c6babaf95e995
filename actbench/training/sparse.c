/* The products of a first layer whose inputs are mostly zero, on one thread: only inputs that are not zero are multiplied.

An input is scaled(byte) = constant + table[byte], where constant = scaled(0) = table[0], so that zeros are left out
exactly; a constant other than 0 (standardised images) adds a term of rank one. Every element of a result is a chain of
fused multiply-adds in the order of the columns (forward) or of the images (gradient), whatever the width of the vectors,
the number of trials or the other elements: its bits depend on nothing else. Weights are [features, units], row by row.
*/
#include <float.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#define GRADIENT_VECTORS 4             /* so that a panel of gradients stays in the first cache */
#else
#define LANES 8
#define GRADIENT_VECTORS 8
#endif
#define MOST_VECTORS 8                 /* registers for sums; their latency is hidden from 8 on */
#define PANEL (MOST_VECTORS * LANES)   /* units computed at once */
#define BLOCK (12544 / PANEL)          /* features whose weights for a panel stay in the second-level cache (49 KiB) */
#define AHEAD 2                        /* images that are fetched before their turn */
#define FORWARD_IMAGES 256             /* images whose sums stay in the cache */
#define GRADIENT_IMAGES 128            /* images whose gradients for a panel stay in the cache */

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    const int64_t *starts;   /* [images + 1] */
    const uint16_t *columns; /* of the values that are not zero, image by image */
    const uint8_t *values;
} Images;

/* What a step of Adam needs to know of a trial. */
typedef struct {
    float mean_weight, square_keep, square_weight, inverse_root, epsilon, rate, decay, shrink;
} Adam;

INLINE vector square_root(vector x)
{
#ifdef __AVX512F__
    return (vector)_mm512_sqrt_ps((__m512)x);
#else
    return (vector)_mm256_sqrt_ps((__m256)x);
#endif
}

/* Kingma & Ba: moments m and v of the gradient, corrected for their start at 0; L2 decay or a decoupled one. A mean
   that becomes denormal, as after a gradient that stays 0, becomes 0: processors of Intel take long with such numbers. */
INLINE void step_of_adam(const Adam *adam, vector gradient, vector *weight, vector *mean, vector *square)
{
    gradient += adam->decay * *weight;
    vector next = *mean + adam->mean_weight * (gradient - *mean);
    *mean = (vector)((bits)next & ((next >= FLT_MIN) | (next <= -FLT_MIN) | (next != next)));
    *square = adam->square_keep * *square + adam->square_weight * gradient * gradient;
    *weight = adam->shrink * *weight - adam->rate * *mean / (square_root(*square) * adam->inverse_root + adam->epsilon);
}

INLINE void step_of_elements(const Adam *adam, int64_t count, const float *gradient, float *weight, float *mean,
                             float *square)
{
    int64_t at = 0;
    for (; at + LANES <= count; at += LANES)
        step_of_adam(adam, *(const vector *)(gradient + at), (vector *)(weight + at), (vector *)(mean + at),
                     (vector *)(square + at));
    if (at < count) {
        float rest[4][LANES] = {0};
        float *all[4] = {(float *)gradient + at, weight + at, mean + at, square + at};
        for (int i = 0; i < 4; i++)
            memcpy(rest[i], all[i], sizeof(float) * (count - at));
        step_of_adam(adam, *(vector *)rest[0], (vector *)rest[1], (vector *)rest[2], (vector *)rest[3]);
        for (int i = 1; i < 4; i++)
            memcpy(all[i], rest[i], sizeof(float) * (count - at));
    }
}

/* One step for elements [start, end) of every trial's row; only those before `weights_end` decay. */
void adam_step(int64_t trials, int64_t stride, int64_t start, int64_t weights_end, int64_t end, const float *gradients,
               float *rows, float *means, float *squares, const Adam *adams)
{
    for (int64_t trial = 0; trial < trials; trial++) {
        int64_t from = trial * stride;
        Adam others = adams[trial];
        others.decay = 0;
        others.shrink = 1;
        step_of_elements(adams + trial, weights_end - start, gradients + from + start, rows + from + start,
                         means + from + start, squares + from + start);
        from += weights_end;
        step_of_elements(&others, end - weights_end, gradients + from, rows + from, means + from, squares + from);
    }
}

/* Fill the compressed images from dense ones; memory for every value that is not zero, and one more, is there. */
void compress_images(const uint8_t *dense, int64_t images, int64_t features, int64_t *starts, uint16_t *columns,
                     uint8_t *values)
{
    int64_t filled = 0;
    for (int64_t image = 0; image < images; image++) {
        const uint8_t *row = dense + image * features;
        starts[image] = filled;
        for (int64_t column = 0; column < features;) {
            uint64_t eight;
            if (column + 8 <= features && (memcpy(&eight, row + column, 8), eight == 0)) {
                column += 8;
                continue;
            }
            for (int64_t end = column + 8 < features ? column + 8 : features; column < end; column++) {
                columns[filled] = (uint16_t)column;
                values[filled] = row[column];
                filled += row[column] != 0;
            }
        }
    }
    starts[images] = filled;
}

/* Copy `width` columns of a matrix with rows `stride` apart into a panel of whole vectors, filled up with zeros. */
INLINE void pack(int vectors, int64_t width, const float *matrix, int64_t stride, int64_t rows, float *panel)
{
    if (width == vectors * LANES) {
        for (int64_t row = 0; row < rows; row++)
            memcpy(panel + row * vectors * LANES, matrix + row * stride, sizeof(float) * vectors * LANES);
        return;
    }
    memset(panel, 0, sizeof(float) * rows * vectors * LANES);
    for (int64_t row = 0; row < rows; row++)
        memcpy(panel + row * vectors * LANES, matrix + row * stride, sizeof(float) * width);
}

INLINE void store(int vectors, int64_t width, const vector *values, float *out)
{
    if (width == vectors * LANES)
        for (int i = 0; i < vectors; i++)
            *(vector *)(out + i * LANES) = values[i];
    else
        memcpy(out, values, sizeof(float) * width);
}

INLINE void add_rows(int vectors, const float *panel, int64_t rows, vector *sums)
{
    for (int64_t row = 0; row < rows; row++)
        for (int i = 0; i < vectors; i++)
            sums[i] += *(const vector *)(panel + (row * vectors + i) * LANES);
}

/* One panel of out = inputs W + bias for at most FORWARD_IMAGES images. */
INLINE void forward_panel(int vectors, int64_t width, Images images, const int64_t *rows, int64_t count,
                          const float *table, int64_t features, int64_t units, const float *weight, const float *bias,
                          float *out)
{
    _Alignas(64) float panel[(BLOCK + BLOCK / 2 + 1) * PANEL], start[PANEL] = {0};
    _Alignas(64) vector sums[FORWARD_IMAGES][MOST_VECTORS], column_sums[MOST_VECTORS] = {0};
    int64_t next[FORWARD_IMAGES];
    int64_t blocks = (features + BLOCK / 2) / BLOCK;
    int64_t size = blocks > 1 ? (features + blocks - 1) / blocks : features;
    float constant = table[0];

    memcpy(start, bias, sizeof(float) * width);
    for (int64_t image = 0; image < count; image++) {
        next[image] = images.starts[rows[image]];
        memcpy(sums[image], start, sizeof(vector) * vectors);
    }
    for (int64_t first = 0; first < features; first += size) {
        int64_t end = first + size < features ? first + size : features;
        pack(vectors, width, weight + first * units, units, end - first, panel);
        if (constant != 0)
            add_rows(vectors, panel, end - first, column_sums);
        int64_t fetched = end, fetch_end = end + size < features ? end + size : features;
        for (int64_t image = 0; image < count; image++) {
            for (; fetched < fetch_end && (fetched - end) * count <= image * size; fetched++)
                for (int i = 0; i < vectors * LANES; i += 16)
                    __builtin_prefetch(weight + fetched * units + i, 0, 2); /* the next block's weights */
            if (image + AHEAD < count) {
                __builtin_prefetch(images.columns + next[image + AHEAD]);
                __builtin_prefetch(images.values + next[image + AHEAD]);
            }
            int64_t at = next[image], last = images.starts[rows[image] + 1];
            if (at == last || images.columns[at] >= end)
                continue;
            vector sum[MOST_VECTORS];
            for (int i = 0; i < vectors; i++)
                sum[i] = sums[image][i];
            do {
                float value = table[images.values[at]];
                const float *factors = panel + (images.columns[at] - first) * vectors * LANES;
                for (int i = 0; i < vectors; i++)
                    sum[i] += value * *(const vector *)(factors + i * LANES);
                at++;
            } while (at < last && images.columns[at] < end);
            next[image] = at;
            for (int i = 0; i < vectors; i++)
                sums[image][i] = sum[i];
        }
    }
    for (int64_t image = 0; image < count; image++) {
        if (constant != 0)
            for (int i = 0; i < vectors; i++)
                sums[image][i] += constant * column_sums[i];
        store(vectors, width, sums[image], out + image * units);
    }
}

/* The images of a batch at which each feature is not zero: image << 8 | value, at most GRADIENT_IMAGES a feature. */
static void transpose(Images images, const int64_t *rows, int64_t count, int64_t features, int32_t *lengths,
                      uint16_t *places)
{
    memset(lengths, 0, sizeof(int32_t) * features);
    for (int64_t image = 0; image < count; image++) {
        if (image + 4 < count) { /* the images lie anywhere in memory, which takes long to read */
            int64_t ahead = images.starts[rows[image + 4]];
            for (int line = 0; line < 6; line++)
                __builtin_prefetch(images.columns + ahead + 32 * line);
            for (int line = 0; line < 3; line++)
                __builtin_prefetch(images.values + ahead + 64 * line);
        }
        for (int64_t at = images.starts[rows[image]]; at < images.starts[rows[image] + 1]; at++) {
            int64_t column = images.columns[at];
            places[column * GRADIENT_IMAGES + lengths[column]++] = (uint16_t)(image << 8 | images.values[at]);
        }
    }
}

/* Where the weights and their moments are that a step changes; `adam` is NULL where gradients are only written. */
typedef struct {
    const Adam *adam;
    float *weight, *mean, *square;
} Step;

/* One panel of the gradients of weight and bias for at most GRADIENT_IMAGES images, added to what is there, if asked.
   With a step, the weights are changed instead, while their gradient is in registers. */
INLINE void gradient_panel(int vectors, int64_t width, int64_t count, const int32_t *lengths, const uint16_t *places,
                           const float *table, int64_t features, int64_t units, const float *gradient, int is_added,
                           float *weight_gradient, float *bias_gradient, Step step)
{
    _Alignas(64) float panel[GRADIENT_IMAGES * PANEL], row[PANEL] = {0};
    vector column_sums[MOST_VECTORS] = {0}, start[MOST_VECTORS] = {0};

    pack(vectors, width, gradient, units, count, panel);
    add_rows(vectors, panel, count, column_sums);
    if (table[0] != 0)
        for (int i = 0; i < vectors; i++)
            start[i] = table[0] * column_sums[i];
    if (is_added) {
        memcpy(row, bias_gradient, sizeof(float) * width);
        for (int i = 0; i < vectors; i++)
            column_sums[i] += *(vector *)(row + i * LANES);
    }
    store(vectors, width, column_sums, bias_gradient);
    for (int64_t column = 0; column < features; column++) {
        const uint16_t *place = places + column * GRADIENT_IMAGES, *end = place + lengths[column];
        int64_t offset = column * units;
        float *out = weight_gradient + offset;
        if (step.adam && column + 2 < features)
            for (int i = 0; i < vectors * LANES; i += 16) {
                __builtin_prefetch(step.weight + offset + 2 * units + i, 1);
                __builtin_prefetch(step.mean + offset + 2 * units + i, 1);
                __builtin_prefetch(step.square + offset + 2 * units + i, 1);
            }
        vector sum[MOST_VECTORS];
        for (int i = 0; i < vectors; i++)
            sum[i] = start[i];
        for (; place < end; place++) {
            float value = table[*place & 255];
            const float *factors = panel + (*place >> 8) * vectors * LANES;
            for (int i = 0; i < vectors; i++)
                sum[i] += value * *(const vector *)(factors + i * LANES);
        }
        if (is_added) {
            memcpy(row, out, sizeof(float) * width);
            for (int i = 0; i < vectors; i++)
                sum[i] += *(vector *)(row + i * LANES);
        }
        if (!step.adam)
            store(vectors, width, sum, out);
        else if (width == vectors * LANES)
            for (int i = 0; i < vectors; i++)
                step_of_adam(step.adam, sum[i], (vector *)(step.weight + offset + i * LANES),
                             (vector *)(step.mean + offset + i * LANES), (vector *)(step.square + offset + i * LANES));
        else
            step_of_elements(step.adam, width, (const float *)sum, step.weight + offset, step.mean + offset,
                             step.square + offset);
    }
}

/* CALL a function for every panel of units, with a constant number of vectors, at most 8 or 4. */
#define FOR_EACH_PANEL(units, unit, most, CALL)                             \
    for (int64_t unit = 0, width; unit < units; unit += width) {            \
        int64_t left = units - unit;                                        \
        if (most == 8 && left >= 8 * LANES) { width = 8 * LANES; CALL(8) }  \
        else if (left > 2 * LANES) { width = left < 4 * LANES ? left : 4 * LANES; CALL(4) } \
        else if (left > LANES) { width = left; CALL(2) }                    \
        else { width = left; CALL(1) }                                      \
    }

/* outs[trial] = inputs[seed of trial] W[trial] + bias[trial] for the images `rows` [seeds, count]. */
void sparse_forward(int64_t trials, const int64_t *seed_index, int64_t count, const int64_t *rows,
                    const int64_t *starts, const uint16_t *columns, const uint8_t *values, const float *tables,
                    int64_t features, int64_t units, const float *weights, int64_t weight_stride, const float *biases,
                    int64_t bias_stride, float *outs)
{
    Images images = {starts, columns, values};
    for (int64_t trial = 0; trial < trials; trial++) {
        const int64_t *own = rows + seed_index[trial] * count;
        const float *table = tables + seed_index[trial] * 256;
        const float *weight = weights + trial * weight_stride, *bias = biases + trial * bias_stride;
        for (int64_t first = 0; first < count; first += FORWARD_IMAGES) {
            int64_t size = count - first < FORWARD_IMAGES ? count - first : FORWARD_IMAGES;
            float *out = outs + (trial * count + first) * units;
#define CALL(vectors)                                                                                              \
    forward_panel(vectors, width, images, own + first, size, table, features, units, weight + unit, bias + unit,   \
                  out + unit);
            FOR_EACH_PANEL(units, unit, MOST_VECTORS, CALL)
#undef CALL
        }
    }
}

/* The gradients of weights and biases, given those of the outs [trials, count, units]; `lengths` [features] and
   `places` [features, GRADIENT_IMAGES] are memory to work in. Trials of one seed share the transposed batch. With
   `adams` [trials], a step of Adam is taken along the gradients of the weights, which are not written but where a batch
   is larger than GRADIENT_IMAGES; `weights`, `means` and `squares` have the stride of the gradients. */
void sparse_gradient(int64_t trials, const int64_t *seed_index, int64_t seeds, int64_t count, const int64_t *rows,
                     const int64_t *starts, const uint16_t *columns, const uint8_t *values, const float *tables,
                     int64_t features, int64_t units, const float *gradients, float *weight_gradients,
                     int64_t weight_stride, float *bias_gradients, int64_t bias_stride, int32_t *lengths,
                     uint16_t *places, const Adam *adams, float *weights, float *means, float *squares)
{
    Images images = {starts, columns, values};
    for (int64_t seed = 0; seed < seeds; seed++)
        for (int64_t first = 0; first < count; first += GRADIENT_IMAGES) {
            int64_t size = count - first < GRADIENT_IMAGES ? count - first : GRADIENT_IMAGES;
            const float *table = tables + seed * 256;
            transpose(images, rows + seed * count + first, size, features, lengths, places);
            for (int64_t trial = 0; trial < trials; trial++) {
                if (seed_index[trial] != seed)
                    continue;
                const float *gradient = gradients + (trial * count + first) * units;
                float *weight_gradient = weight_gradients + trial * weight_stride;
                float *bias_gradient = bias_gradients + trial * bias_stride;
                int64_t from = trial * weight_stride;
                int is_step = adams != NULL && first + size == count;
#define CALL(vectors)                                                                                              \
    gradient_panel(vectors, width, size, lengths, places, table, features, units, gradient + unit, first > 0,      \
                   weight_gradient + unit, bias_gradient + unit,                                                   \
                   is_step ? (Step){adams + trial, weights + from + unit, means + from + unit, squares + from + unit} \
                           : (Step){NULL, NULL, NULL, NULL});
                FOR_EACH_PANEL(units, unit, GRADIENT_VECTORS, CALL)
#undef CALL
            }
        }
}
