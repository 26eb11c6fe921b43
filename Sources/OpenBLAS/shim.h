// The few BLAS and LAPACK entry points Loom calls. Declared here rather than through cblas.h, whose place and
// contents differ between systems; the symbols themselves are the same in every OpenBLAS.
#ifndef LOOM_OPENBLAS_SHIM_H
#define LOOM_OPENBLAS_SHIM_H

enum LoomBLASOrder { LoomRowMajor = 101 };
enum LoomBLASTranspose { LoomNoTranspose = 111, LoomTranspose = 112 };

void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc);
void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);
char *openblas_get_config(void);

#endif
