/**
 * The expressions of nf_tables: what a rule does, one file each. An expression is a value; it
 * encodes to the attributes inside NFTA_EXPR_DATA and decodes from them, and one the library does
 * not know survives as an opaque one.
 *
 * <p>Expressions talk through registers: {@code meta load l4proto => reg 1}, {@code cmp eq reg 1
 * 0x06}. See {@link dev.sluice.nftables.expr.Register}.
 */
@NullMarked
package dev.sluice.nftables.expr;

import org.jspecify.annotations.NullMarked;
