package dev.sluice.api.docker;

import tools.jackson.databind.JsonNode;

/**
 * Something that happened in the engine ({@code GET /events}).
 *
 * @param type what it happened to, a container or a network
 * @param action {@code start}, {@code die}, {@code connect} and so on
 * @param id of the container or the network
 * @param name of it, at that time
 * @param containerId whom a network was connected to or disconnected from; else empty
 * @param atNanos when, in nanoseconds since 1970 by the host's clock
 */
record EngineEvent(
    String type, String action, String id, String name, String containerId, long atNanos) {

  static EngineEvent read(JsonNode event) {
    JsonNode actor = event.path("Actor");
    JsonNode attributes = actor.path("Attributes");
    return new EngineEvent(
        event.path("Type").asString(""),
        event.path("Action").asString(""),
        actor.path("ID").asString(""),
        attributes.path("name").asString(""),
        attributes.path("container").asString(""),
        event.path("timeNano").asLong(0));
  }
}
