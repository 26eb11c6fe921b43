// The few BLAS and LAPACK entry points Loom calls. Declared here rather than through cblas.h, whose place and
// contents differ between systems; the symbols themselves are the same in every OpenBLAS.
#ifndef LOOM_OPENBLAS_SHIM_H
#define LOOM_OPENBLAS_SHIM_H

#include <stddef.h>

enum LoomBLASOrder { LoomRowMajor = 101 };
enum LoomBLASTranspose { LoomNoTranspose = 111, LoomTranspose = 112 };

void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc);
void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);
char *openblas_get_config(void);

// LAPACK by its Fortran names, matrices column by column: not every OpenBLAS has the C interface. Behind the arguments
// stand the lengths of the strings, as Fortran compilers pass them.
void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
             size_t job_length);
void dgesvd_(const char *job_u, const char *job_vt, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *info,
             size_t job_u_length, size_t job_vt_length);

#endif
