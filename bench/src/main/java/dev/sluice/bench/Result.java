package dev.sluice.bench;

import java.util.List;

/**
 * One result file.
 *
 * @param command what to type to repeat it
 * @param takenAt UTC, to the second
 */
public record Result(
    String name,
    String title,
    String command,
    String takenAt,
    Environment environment,
    List<Figure> figures) {}
