/**
 * The file of permanent mappings, {@code /etc/sluice/ports.yaml}: read strictly, with every mistake
 * named by line and column, and trusted only if nobody but its owner can have written it. {@code
 * docs/ports-yaml.md} describes it for those who write it.
 */
@NullMarked
package dev.sluice.config;

import org.jspecify.annotations.NullMarked;
