/**
 * Tables as text: what the kernel holds, in the language of nft, so that {@code nft list} would
 * print nearly the same and {@code nft -f} takes it. Nothing is guessed: an expression that has no
 * word in that language, or none that means exactly the same, becomes a comment that says so.
 *
 * <pre>{@code
 * TableListing.read(nftables, TableId.inet("example"))
 *     .ifPresent(listing -> TablePrinter.print(listing, System.out));
 * }</pre>
 */
@NullMarked
package dev.sluice.nftables.text;

import org.jspecify.annotations.NullMarked;
