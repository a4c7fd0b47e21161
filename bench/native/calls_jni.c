// SPDX-License-Identifier: Apache-2.0
/*
 * The JNI side of dev.sluice.bench.ffi.JniCalls: the same four C calls that the other bindings
 * make, and loops that make them from C alone, which is what any binding is measured against.
 *
 * As in a hand-written JNI library, failure is returned as -errno: no second call asks for it.
 */
#include <errno.h>
#include <jni.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define SLUICE_JNI(name) Java_dev_sluice_bench_ffi_JniCalls_##name

/* Hides a value from the optimiser: abs() is a builtin and would otherwise be folded away. */
static int (*volatile sluice_abs)(int) = abs;

/*
 * recv's signature and recv's usual outcome on an empty socket, without the kernel: what is left
 * is the binding's own cost of four arguments, memory among them, and errno.
 */
__attribute__((visibility("default"), noinline))
ssize_t sluice_bench_refuse(int fd, void *memory, size_t length, int flags)
{
	(void)fd;
	(void)length;
	(void)flags;
	errno = memory ? EAGAIN : EFAULT;
	return -1;
}

/* As another library would reach it: through a pointer, not inlined. */
static ssize_t (*volatile sluice_refuse)(int, void *, size_t, int) = sluice_bench_refuse;

JNIEXPORT jint JNICALL SLUICE_JNI(abs)(JNIEnv *env, jclass type, jint value)
{
	(void)env;
	(void)type;
	return sluice_abs(value);
}

JNIEXPORT jint JNICALL SLUICE_JNI(close)(JNIEnv *env, jclass type, jint fd)
{
	(void)env;
	(void)type;
	return close(fd) ? -errno : 0;
}

JNIEXPORT jlong JNICALL SLUICE_JNI(recvAddress)(JNIEnv *env, jclass type, jint fd, jlong address,
						jlong length, jint flags)
{
	ssize_t n = recv(fd, (void *)(intptr_t)address, (size_t)length, flags);

	(void)env;
	(void)type;
	return n < 0 ? -errno : n;
}

JNIEXPORT jlong JNICALL SLUICE_JNI(recvBuffer)(JNIEnv *env, jclass type, jint fd, jobject buffer,
					       jlong length, jint flags)
{
	void *address = (*env)->GetDirectBufferAddress(env, buffer);
	ssize_t n;

	(void)type;
	if (!address)
		return -EFAULT;
	n = recv(fd, address, (size_t)length, flags);
	return n < 0 ? -errno : n;
}

JNIEXPORT jlong JNICALL SLUICE_JNI(refuseAddress)(JNIEnv *env, jclass type, jint fd, jlong address,
						  jlong length, jint flags)
{
	ssize_t n = sluice_refuse(fd, (void *)(intptr_t)address, (size_t)length, flags);

	(void)env;
	(void)type;
	return n < 0 ? -errno : n;
}

JNIEXPORT jlong JNICALL SLUICE_JNI(refuseBuffer)(JNIEnv *env, jclass type, jint fd, jobject buffer,
						 jlong length, jint flags)
{
	void *address = (*env)->GetDirectBufferAddress(env, buffer);
	ssize_t n;

	(void)type;
	n = sluice_refuse(fd, address, (size_t)length, flags);
	return n < 0 ? -errno : n;
}

JNIEXPORT jlong JNICALL SLUICE_JNI(refuseLoop)(JNIEnv *env, jclass type, jint fd, jlong address,
					       jlong length, jint flags, jint times)
{
	jlong sum = 0;

	(void)env;
	(void)type;
	while (times--)
		sum += sluice_refuse(fd, (void *)(intptr_t)address, (size_t)length, flags) < 0 ?
			       errno :
			       0;
	return sum;
}

JNIEXPORT jint JNICALL SLUICE_JNI(absLoop)(JNIEnv *env, jclass type, jint value, jint times)
{
	jint sum = 0;

	(void)env;
	(void)type;
	while (times--)
		sum += sluice_abs(value);
	return sum;
}

JNIEXPORT jint JNICALL SLUICE_JNI(closeLoop)(JNIEnv *env, jclass type, jint fd, jint times)
{
	jint sum = 0;

	(void)env;
	(void)type;
	while (times--)
		sum += close(fd) ? errno : 0;
	return sum;
}

JNIEXPORT jlong JNICALL SLUICE_JNI(recvLoop)(JNIEnv *env, jclass type, jint fd, jlong address,
					     jlong length, jint flags, jint times)
{
	jlong sum = 0;

	(void)env;
	(void)type;
	while (times--)
		sum += recv(fd, (void *)(intptr_t)address, (size_t)length, flags) < 0 ? errno : 0;
	return sum;
}
