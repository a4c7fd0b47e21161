/**
 * The Container Network Interface: what the plugins {@code sluice} and {@code sluice-bridge} mean,
 * in the words of {@code publish} and {@code network}. The programs themselves are one small client
 * in C, {@code native/src/cni.c}, that hands each call to {@link dev.sluice.api.cni.CniPlugins} and
 * prints what it says.
 *
 * <p>The specification is that of github.com/containernetworking/cni, versions 0.3.0 to 1.1.0;
 * {@code docs/cni.md} describes the plugins for those who write configurations.
 */
@NullMarked
package dev.sluice.api.cni;

import org.jspecify.annotations.NullMarked;
