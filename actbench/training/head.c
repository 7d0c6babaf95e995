/* The last layer, which has few units, and its loss, on one thread.

Libraries multiply matrices with few columns slowly, and a loss over ten classes is many short operations. Every element
of a product is a chain of fused multiply-adds in the order of the inputs, images or units, so that its bits depend on
nothing else. Weights are [inputs, units]; a trial's matrices are `stride` elements apart.
*/
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define MOST_UNITS 16
#define VECTORS (MOST_UNITS / LANES)
#define BLOCK 128 /* inputs, or images, whose rows of units stay in the cache */
#define TOGETHER 4 /* rows computed together, to hide the latency of the sums */

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE void pad(const float *matrix, int64_t rows, int64_t units, float *padded)
{
    for (int64_t row = 0; row < rows; row++)
        for (int64_t unit = 0; unit < units; unit++)
            padded[row * MOST_UNITS + unit] = matrix[row * units + unit];
}

/* sums[row] += sum over i of factors[row * row_stride + i * step] * padded[i], for `rows` rows. */
INLINE void add_products(int rows, const float *factors, int64_t row_stride, int64_t step, int64_t count,
                         const float *padded, float *sums)
{
    vector sum[TOGETHER][VECTORS];
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < VECTORS; i++)
            sum[row][i] = *(const vector *)(sums + row * MOST_UNITS + i * LANES);
    for (int64_t at = 0; at < count; at++)
        for (int row = 0; row < rows; row++)
            for (int i = 0; i < VECTORS; i++)
                sum[row][i] += factors[row * row_stride + at * step] * *(const vector *)(padded + at * MOST_UNITS + i * LANES);
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < VECTORS; i++)
            *(vector *)(sums + row * MOST_UNITS + i * LANES) = sum[row][i];
}

INLINE void add_all_products(int64_t rows, const float *factors, int64_t row_stride, int64_t step, int64_t count,
                             const float *padded, float *sums)
{
    int64_t row = 0;
    for (; row + TOGETHER <= rows; row += TOGETHER)
        add_products(TOGETHER, factors + row * row_stride, row_stride, step, count, padded, sums + row * MOST_UNITS);
    for (; row < rows; row++)
        add_products(1, factors + row * row_stride, row_stride, step, count, padded, sums + row * MOST_UNITS);
}

/* outs = values W + bias; values [trials, images, inputs], outs [trials, images, units]. */
void thin_forward(int64_t trials, int64_t images, int64_t inputs, int64_t units, const float *values,
                  int64_t value_stride, const float *weights, int64_t weight_stride, const float *biases,
                  int64_t bias_stride, float *outs)
{
    float padded[BLOCK * MOST_UNITS] = {0}, sums[BLOCK * MOST_UNITS] = {0};
    for (int64_t trial = 0; trial < trials; trial++)
        for (int64_t image = 0; image < images; image += BLOCK) {
            int64_t count = images - image < BLOCK ? images - image : BLOCK;
            for (int64_t row = 0; row < count; row++)
                memcpy(sums + row * MOST_UNITS, biases + trial * bias_stride, sizeof(float) * units);
            for (int64_t input = 0; input < inputs; input += BLOCK) {
                int64_t length = inputs - input < BLOCK ? inputs - input : BLOCK;
                pad(weights + trial * weight_stride + input * units, length, units, padded);
                add_all_products(count, values + trial * value_stride + image * inputs + input, inputs, 1, length, padded,
                                 sums);
            }
            for (int64_t row = 0; row < count; row++)
                memcpy(outs + ((trial * images + image) + row) * units, sums + row * MOST_UNITS, sizeof(float) * units);
        }
}

/* The gradients of weights and biases, given those of the outs. */
void thin_gradients(int64_t trials, int64_t images, int64_t inputs, int64_t units, const float *values,
                    int64_t value_stride, const float *gradients, float *weight_gradients, int64_t weight_stride,
                    float *bias_gradients, int64_t bias_stride)
{
    float padded[BLOCK * MOST_UNITS] = {0}, sums[BLOCK * MOST_UNITS];
    for (int64_t trial = 0; trial < trials; trial++) {
        float *weight_gradient = weight_gradients + trial * weight_stride;
        float *bias_gradient = bias_gradients + trial * bias_stride;
        memset(weight_gradient, 0, sizeof(float) * inputs * units);
        memset(bias_gradient, 0, sizeof(float) * units);
        for (int64_t image = 0; image < images; image += BLOCK) {
            int64_t count = images - image < BLOCK ? images - image : BLOCK;
            float column_sums[MOST_UNITS] = {0};
            pad(gradients + (trial * images + image) * units, count, units, padded);
            for (int64_t row = 0; row < count; row++)
                for (int unit = 0; unit < MOST_UNITS; unit++)
                    column_sums[unit] += padded[row * MOST_UNITS + unit];
            for (int64_t unit = 0; unit < units; unit++)
                bias_gradient[unit] += column_sums[unit];
            for (int64_t input = 0; input < inputs; input += BLOCK) {
                int64_t length = inputs - input < BLOCK ? inputs - input : BLOCK;
                memset(sums, 0, sizeof(sums));
                add_all_products(length, values + trial * value_stride + image * inputs + input, 1, inputs, count, padded,
                                 sums);
                for (int64_t row = 0; row < length; row++)
                    for (int64_t unit = 0; unit < units; unit++)
                        weight_gradient[(input + row) * units + unit] += sums[row * MOST_UNITS + unit];
            }
        }
    }
}

/* value_gradients = gradients W'; value_gradients [trials, images, inputs]. */
void thin_backward(int64_t trials, int64_t images, int64_t inputs, int64_t units, const float *gradients,
                   const float *weights, int64_t weight_stride, float *value_gradients)
{
    float turned[MOST_UNITS][BLOCK];
    for (int64_t trial = 0; trial < trials; trial++)
        for (int64_t input = 0; input < inputs; input += BLOCK) {
            int64_t length = inputs - input < BLOCK ? inputs - input : BLOCK;
            const float *weight = weights + trial * weight_stride + input * units;
            memset(turned, 0, sizeof(turned));
            for (int64_t row = 0; row < length; row++)
                for (int64_t unit = 0; unit < units; unit++)
                    turned[unit][row] = weight[row * units + unit];
            for (int64_t image = 0; image < images; image++) {
                const float *gradient = gradients + (trial * images + image) * units;
                float *out = value_gradients + (trial * images + image) * inputs + input;
                for (int64_t at = 0; at < length; at += 4 * LANES) {
                    vector sum[4] = {0};
                    for (int64_t unit = 0; unit < units; unit++)
                        for (int i = 0; i < 4; i++)
                            sum[i] += gradient[unit] * *(const vector *)(turned[unit] + at + i * LANES);
                    int64_t left = length - at < 4 * LANES ? length - at : 4 * LANES;
                    if (left == 4 * LANES)
                        for (int i = 0; i < 4; i++)
                            *(vector *)(out + at + i * LANES) = sum[i];
                    else
                        memcpy(out + at, sum, sizeof(float) * left);
                }
            }
        }
}

/* exp(x) for x <= 0, to 1e-38 for less than -87; NaN stays NaN. A polynomial for exp(r), |r| <= ln(2) / 2, times 2^n. */
INLINE float exponential(float x)
{
    x = x < -87.0f ? -87.0f : x;
    float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return p * power;
}

/* losses = log(sum(exp(scores))) - scores[label] for every row, and the gradients of their sum by the scores.
Returns -1, or the first row whose label is none of the units. */
int64_t cross_entropy(int64_t rows, int64_t units, const float *scores, const int64_t *labels, float *losses,
                      float *gradients)
{
    for (int64_t row = 0; row < rows; row++) {
        if (labels[row] < 0 || labels[row] >= units)
            return row;
        const float *score = scores + row * units;
        float *gradient = gradients + row * units;
        float largest = score[0], exponentials[MOST_UNITS], total = 0;
        for (int64_t unit = 1; unit < units; unit++)
            largest = score[unit] > largest ? score[unit] : largest;
        for (int unit = 0; unit < MOST_UNITS; unit++)
            exponentials[unit] = unit < units ? score[unit] - largest : 0;
        for (int unit = 0; unit < MOST_UNITS; unit++)
            exponentials[unit] = exponential(exponentials[unit]);
        for (int64_t unit = 0; unit < units; unit++)
            total += exponentials[unit];
        losses[row] = (float)log((double)total) + (largest - score[labels[row]]);
        float inverse = 1 / total;
        for (int64_t unit = 0; unit < units; unit++)
            gradient[unit] = exponentials[unit] * inverse;
        gradient[labels[row]] -= 1;
    }
    return -1;
}
