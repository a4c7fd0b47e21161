package dev.sluice.api;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.SourceRate;
import dev.sluice.net.Prefix;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.core.JsonGenerator;

/** The members that say who may use a mapping. */
final class OptionsJson {
  private OptionsJson() {}

  /** Writes what is restricted. */
  static void write(JsonGenerator json, MappingOptions options) {
    if (!options.allowedSources().isEmpty()) {
      writeSources(json, options.allowedSources());
    }
    options.maxConnections().ifPresent(n -> json.writeNumberProperty("maxConnections", n));
    options.sourceRate().ifPresent(rate -> json.writeStringProperty("sourceRate", rate.toString()));
    if (options.synProxy()) {
      json.writeBooleanProperty("synProxy", true);
    }
    options
        .proxyProtocolPort()
        .ifPresent(port -> json.writeNumberProperty("proxyProtocolPort", port));
  }

  static void writeSources(JsonGenerator json, List<Prefix> sources) {
    json.writeArrayPropertyStart("allowedSources");
    sources.forEach(block -> json.writeString(block.toString()));
    json.writeEndArray();
  }

  /** Writes what is to be different; null takes a restriction away. */
  static void write(JsonGenerator json, OptionsChange change) {
    change.allowedSources().ifPresent(sources -> writeSources(json, sources));
    change
        .maxConnections()
        .ifPresent(
            limit -> {
              json.writeName("maxConnections");
              limit.ifPresentOrElse(json::writeNumber, json::writeNull);
            });
    change
        .sourceRate()
        .ifPresent(
            rate -> {
              json.writeName("sourceRate");
              rate.ifPresentOrElse(r -> json.writeString(r.toString()), json::writeNull);
            });
    change.synProxy().ifPresent(wanted -> json.writeBooleanProperty("synProxy", wanted));
    change
        .proxyProtocolPort()
        .ifPresent(
            port -> {
              json.writeName("proxyProtocolPort");
              port.ifPresentOrElse(json::writeNumber, json::writeNull);
            });
  }

  /**
   * Reads one of {@code allowedSources}, {@code maxConnections}, {@code sourceRate}, {@code
   * synProxy}, {@code proxyProtocolPort}; null: none.
   */
  static OptionsChange read(JsonBody json, String member, OptionsChange change) {
    return switch (member) {
      case "allowedSources" ->
          change.withAllowedSources(
              json.isNull()
                  ? List.of()
                  : json.array(
                      member, "[\"10.0.0.0/8\"]", MappingOptions.MAX_SOURCES, Prefix::parseBlock));
      case "maxConnections" ->
          change.withMaxConnections(
              json.isNull() ? OptionalInt.empty() : OptionalInt.of(json.integer(member)));
      case "sourceRate" ->
          change.withSourceRate(
              json.isNull()
                  ? Optional.empty()
                  : Optional.of(SourceRate.parse(json.string(member))));
      case "synProxy" -> change.withSynProxy(!json.isNull() && json.bool(member));
      case "proxyProtocolPort" ->
          change.withProxyProtocolPort(
              json.isNull() ? OptionalInt.empty() : OptionalInt.of(json.integer(member)));
      default -> throw new IllegalArgumentException("member=" + member);
    };
  }
}
