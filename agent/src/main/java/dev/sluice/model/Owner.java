package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;

/** Who asked for a mapping, and thus who may be expected to take it back. */
public enum Owner {
  /** A person at the command line. */
  CLI("cli"),
  /** A program over the HTTP interface. */
  API("api"),
  /**
   * A Docker engine that is followed. It holds the host ports of its containers with sockets of its
   * own.
   */
  DOCKER("docker"),
  /** A Docker engine that uses us as a network driver, and leaves its host ports to us. */
  DOCKER_DRIVER("docker-driver"),
  /** A container runtime over the Container Network Interface. */
  CNI("cni"),
  /** The file of permanent mappings. */
  FILE("file");

  private final String text;

  Owner(String text) {
    this.text = text;
  }

  /**
   * Reads a lower-case name.
   *
   * @throws MalformedValueException if it is not one of the names above
   */
  public static Owner parse(String text) {
    for (Owner owner : values()) {
      if (owner.text.equals(text)) {
        return owner;
      }
    }
    throw new MalformedValueException(
        text, 0, "owner " + quote(text) + " is none of cli, api, docker, docker-driver, cni, file");
  }

  /**
   * Whether it holds the host ports of its mappings itself: nothing of ours can be bound to them,
   * and need not be.
   */
  public boolean holdsItsPorts() {
    return this == DOCKER;
  }

  /** The lower-case name, as {@code cli} or {@code docker-driver}. */
  @Override
  public String toString() {
    return text;
  }
}
