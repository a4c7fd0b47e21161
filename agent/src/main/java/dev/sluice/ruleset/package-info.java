/**
 * How mappings and networks are realised in nf_tables: one table whose rules never change and whose
 * elements are what is published. The kernel is the only place where this state lives; here it is
 * compiled, read back and changed.
 *
 * <p>The table as nft prints it, with the reason for each rule, is in docs/ruleset.md.
 */
@NullMarked
package dev.sluice.ruleset;

import org.jspecify.annotations.NullMarked;
