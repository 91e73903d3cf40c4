/* What x86-64-v3 and x86-64-v4 consist of, beyond what comes with it anyway: whether the processor has it and the
 * operating system keeps its registers. The build includes this to learn whether the compiler can ask. */
#ifndef PYMINPACK_PROCESSOR_H
#define PYMINPACK_PROCESSOR_H

static inline int lm_has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("lzcnt") &&
           __builtin_cpu_supports("movbe");
}

static inline int lm_has_v4(void)
{
    return lm_has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

#endif
