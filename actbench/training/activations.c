/* Activations made of exponentials, and their derivatives, on one thread.

Libraries take several passes over the memory for some of them. Every element is computed by the same operations,
wherever it lies: elements are taken CHUNK at a time, and the last ones filled up to a whole chunk.
*/
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
/* gcc would compute mish's limit for every element, in denormal numbers: 14 times as slow on Intel's processors. */
#pragma GCC optimize("no-thread-jumps")
#endif

#define CHUNK 64
#define INLINE static inline __attribute__((always_inline))

/* exp(x) - 1 and exp(x) for x <= 80, as 2^n (1 + q), |r| <= ln(2) / 2, q = exp(r) - 1; below -87 as at -87. */
typedef struct {
    float minus_one, whole;
} Exponential;

INLINE Exponential exponential(float x)
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
    float q = p * r * r + r;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return (Exponential){power * q + (power - 1.0f), power * q + power};
}

INLINE float sigmoid(float x)
{
    float e = exponential(-fabsf(x)).whole, inverse = 1.0f / (1.0f + e);
    return x < 0.0f ? e * inverse : inverse;
}

/* For small x a polynomial of the Cephes library, else 1 - 2 / (exp(2 |x|) + 1). */
INLINE float hyperbolic_tangent(float x)
{
    float size = fabsf(x), z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = p * z * x + x;
    float e = exponential(-2.0f * size).whole;
    float far = copysignf((1.0f - e) / (1.0f + e), x);
    return size < 0.625f ? near : far;
}

INLINE float exponential_linear(float x, float alpha)
{
    float below = alpha * exponential(x > 0.0f ? 0.0f : x).minus_one;
    return x > 0.0f ? x : below;
}

/* tanh(log(1 + exp(x))) = h / (h + 1), h = e + e^2 / 2, e = exp(x). */
INLINE float mish(float x)
{
    float e = exponential(x > 20.0f ? 20.0f : x).whole, h = e + 0.5f * e * e;
    return x * (h / (h + 1.0f));
}

INLINE float sigmoid_slope(float value) { return value * (1.0f - value); }

INLINE float tangent_slope(float value) { return 1.0f - value * value; }

INLINE float exponential_linear_slope(float x, float alpha)
{
    float below = alpha * exponential(x > 0.0f ? 0.0f : x).whole;
    return x > 0.0f ? 1.0f : below;
}

INLINE float swish_slope(float x)
{
    float gate = sigmoid(x);
    return gate * (1.0f + x * (1.0f - gate));
}

INLINE float mish_slope(float x)
{
    float e = exponential(x > 20.0f ? 20.0f : x).whole, h = e + 0.5f * e * e, inverse = 1.0f / (h + 1.0f);
    return (h + x * (e + e * e) * inverse) * inverse;
}

/* NAME(count, a, b, out, alpha): out = EXPRESSION for every element x of a and y of b; out may be one of them. Chunks are
   copied, so that the compiler makes one loop for all addresses. */
#define ELEMENTWISE(NAME, EXPRESSION)                                                                          \
    void NAME(int64_t count, const float *a, const float *b, float *out, float alpha)                          \
    {                                                                                                          \
        float xs[CHUNK] = {0}, ys[CHUNK] = {0}, values[CHUNK];                                                 \
        (void)alpha;                                                                                           \
        for (int64_t at = 0; at < count; at += CHUNK) {                                                        \
            if (count - at >= CHUNK) {                                                                         \
                memcpy(xs, a + at, sizeof(xs));                                                                \
                memcpy(ys, b + at, sizeof(ys));                                                                \
            } else {                                                                                           \
                memcpy(xs, a + at, sizeof(float) * (count - at));                                              \
                memcpy(ys, b + at, sizeof(float) * (count - at));                                              \
            }                                                                                                  \
            for (int i = 0; i < CHUNK; i++) {                                                                  \
                float x = xs[i], y = ys[i];                                                                    \
                (void)x, (void)y;                                                                              \
                values[i] = EXPRESSION;                                                                        \
            }                                                                                                  \
            if (count - at >= CHUNK)                                                                           \
                memcpy(out + at, values, sizeof(values));                                                      \
            else                                                                                               \
                memcpy(out + at, values, sizeof(float) * (count - at));                                        \
        }                                                                                                      \
    }

ELEMENTWISE(sigmoid_forward, sigmoid(x))
ELEMENTWISE(tanh_forward, hyperbolic_tangent(x))
ELEMENTWISE(elu_forward, exponential_linear(x, alpha))
ELEMENTWISE(swish_forward, x * sigmoid(x))
ELEMENTWISE(mish_forward, mish(x))
/* The derivative by the argument, y the one by the value; x is the value of sigmoid and tanh, else the argument. */
ELEMENTWISE(sigmoid_backward, y *sigmoid_slope(x))
ELEMENTWISE(tanh_backward, y *tangent_slope(x))
ELEMENTWISE(elu_backward, y *exponential_linear_slope(x, alpha))
ELEMENTWISE(swish_backward, y *swish_slope(x))
ELEMENTWISE(mish_backward, y *mish_slope(x))
