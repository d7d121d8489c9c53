# SPDX-License-Identifier: Apache-2.0
# build.mk: the AMD-V backend, linked into the kernel.

SVM_OBJECTS := $(patsubst svm/%.c,build/svm/%.o,$(wildcard svm/*.c)) build/svm/enter.o
