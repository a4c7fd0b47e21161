package dev.sluice.bench;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import java.util.List;

/**
 * One result file.
 *
 * @param command what to type to repeat it
 * @param tools other programs it ran, with versions
 * @param takenAt UTC, to the second
 */
public record Result(
    String name,
    String title,
    String command,
    String takenAt,
    Environment environment,
    @JsonSetter(nulls = Nulls.AS_EMPTY) List<String> tools,
    List<Figure> figures) {}
