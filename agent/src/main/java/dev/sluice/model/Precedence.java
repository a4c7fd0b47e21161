package dev.sluice.model;

/**
 * Which of several mappings takes a connection to a port that all of them claim: the first in this
 * order. Mappings of one precedence exclude each other, mappings of different ones do not.
 */
public enum Precedence {
  /** Published on one address of the host. */
  EXACT,
  /** Published on every address, port by port. */
  ANY,
  /** A range published on every address whose ports keep their numbers. */
  RANGE
}
