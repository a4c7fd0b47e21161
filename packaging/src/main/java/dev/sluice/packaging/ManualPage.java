package dev.sluice.packaging;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/** The manual page of one command, from what {@code --help} says. */
final class ManualPage {
  private static final String ROOT = "sluice";

  /** Commands of the administrator; all others are in section 1. */
  private static final Set<String> ADMINISTRATOR = Set.of("sluice-agent");

  /** Where Debian and systemd's unit put things. */
  private static final List<List<String>> FILES =
      List.of(
          List.of("/run/sluice/sluice.sock", "Where the agent listens, for root and group sluice."),
          List.of(
              "/etc/sluice/ports.yaml",
              "What is always published; read at the start and at SIGHUP."),
          List.of("/etc/default/sluice", "Options of the agent that systemd starts."));

  private static final List<List<String>> ENVIRONMENT =
      List.of(
          List.of("JAVA_HOME", "The Java to use; without it, the one on the PATH."),
          List.of("SLUICE_JAVA_OPTS", "Further options of the Java virtual machine."),
          List.of("SLUICE_KEEPER", "off: run the agent without a keeper that starts it again."),
          List.of(
              "SLUICE_DEBUG", "Set, an unexpected failure of a command comes with a stack trace."),
          List.of("NO_COLOR", "Set, there are no colours."));

  private final CommandLine command;

  ManualPage(CommandLine command) {
    this.command = command;
  }

  /** This command and all below it, each once. */
  static List<CommandLine> withAllBelow(CommandLine command) {
    List<CommandLine> all = new ArrayList<>(List.of(command));
    new LinkedHashSet<>(command.getSubcommands().values())
        .forEach(below -> all.addAll(withAllBelow(below)));
    return all;
  }

  /** As in {@code man sluice-network-create}. */
  String name() {
    return command.getCommandSpec().qualifiedName("-");
  }

  int section() {
    return ADMINISTRATOR.contains(name()) ? 8 : 1;
  }

  /**
   * The page.
   *
   * @param date of what it describes, as {@code 2026-11-21}
   */
  String text(String version, String date) {
    Roff page = new Roff(name(), section(), date, "Sluice " + version);
    UsageMessageSpec usage = command.getCommandSpec().usageMessage();
    List<String> description = lines(usage.description());
    page.section("NAME").text(name() + " - " + summary(description));
    page.section("SYNOPSIS")
        .synopsis(command.getHelp().synopsis(0).strip().replaceAll("\\s+", " "));
    page.section("DESCRIPTION");
    running(page, description);
    commands(page);
    arguments(page);
    footer(page, lines(usage.footer()));
    if (isRoot() || section() == 8) {
      page.section("ENVIRONMENT");
      ENVIRONMENT.forEach(one -> page.item(one.get(0), one.subList(1, 2)));
      page.section("FILES");
      FILES.forEach(one -> page.item(one.get(0), one.subList(1, 2)));
    }
    page.section("SEE ALSO").text(seeAlso());
    return page.toString();
  }

  private boolean isRoot() {
    return name().equals(ROOT);
  }

  /** Lines of picocli, in which {@code %n} ends a line and {@code %%} is a percent sign. */
  private static List<String> lines(String[] texts) {
    return Arrays.stream(texts)
        .flatMap(
            text ->
                (text.replace("%n", "\n").replace("%%", "%") + "\n")
                    .lines()
                    .map(String::stripTrailing))
        .toList();
  }

  /** The first sentence as a part of one: "publishes ports of a container on this host". */
  private static String summary(List<String> description) {
    String text =
        description.stream().takeWhile(line -> !line.isEmpty()).collect(Collectors.joining(" "));
    int end = Stream.of(". ", ": ").mapToInt(text::indexOf).filter(at -> at > 0).min().orElse(-1);
    String sentence = end < 0 ? text : text.substring(0, end);
    String bare = sentence.endsWith(".") ? sentence.substring(0, sentence.length() - 1) : sentence;
    return Character.toLowerCase(bare.charAt(0)) + bare.substring(1);
  }

  /** Lines: filled, but for those that are indented; an empty one ends a paragraph. */
  private static void running(Roff page, List<String> lines) {
    List<String> asTheyAre = new ArrayList<>();
    boolean begun = false;
    boolean ended = false;
    for (String line : lines) {
      if (!line.startsWith(" ") && !asTheyAre.isEmpty()) {
        page.example(asTheyAre);
        asTheyAre.clear();
        ended = true;
      }
      if (line.isEmpty()) {
        ended = begun;
      } else if (line.startsWith(" ")) {
        asTheyAre.add(line.substring(2));
      } else {
        if (ended) {
          page.paragraph();
        }
        page.text(line);
        begun = true;
        ended = false;
      }
    }
    if (!asTheyAre.isEmpty()) {
      page.example(asTheyAre);
    }
  }

  private void commands(Roff page) {
    if (command.getSubcommands().isEmpty()) {
      return;
    }
    page.section("COMMANDS");
    below()
        .forEach(
            one ->
                page.item(
                    one.command.getCommandName(),
                    List.of(
                        summary(lines(one.command.getCommandSpec().usageMessage().description()))
                            + "; see "
                            + one.reference())));
  }

  private List<ManualPage> below() {
    return new LinkedHashSet<>(command.getSubcommands().values())
        .stream().map(ManualPage::new).toList();
  }

  private String reference() {
    return name() + "(" + section() + ")";
  }

  private void arguments(Roff page) {
    List<PositionalParamSpec> parameters = command.getCommandSpec().positionalParameters();
    List<OptionSpec> options = command.getCommandSpec().options();
    page.section("OPTIONS");
    parameters.stream()
        .filter(parameter -> !parameter.hidden())
        .forEach(parameter -> page.item(parameter.paramLabel(), lines(parameter.description())));
    options.stream()
        .filter(option -> !option.hidden())
        .forEach(option -> page.item(term(option), lines(option.description())));
  }

  private static String term(OptionSpec option) {
    return String.join(", ", option.names()) + value(option);
  }

  private static String value(ArgSpec option) {
    if (option.arity().max() == 0) {
      return "";
    }
    return option.arity().min() == 0 ? "[=" + option.paramLabel() + "]" : "=" + option.paramLabel();
  }

  /** Paragraphs of their own heading become sections. */
  private static void footer(Roff page, List<String> lines) {
    List<String> text = new ArrayList<>();
    String heading = "NOTES";
    for (String line : lines) {
      if (line.matches("[A-Z][a-z ]+:")) {
        section(page, heading, text);
        text.clear();
        heading = line.equals("Exit codes:") ? "EXIT STATUS" : line.replace(":", "");
      } else {
        text.add(line);
      }
    }
    section(page, heading, text);
  }

  private static void section(Roff page, String heading, List<String> text) {
    if (text.stream().anyMatch(line -> !line.isEmpty())) {
      page.section(heading.toUpperCase(Locale.ROOT));
      running(page, text);
    }
  }

  private String seeAlso() {
    CommandLine above = command.getParent();
    Stream<String> pages =
        above == null
            ? Stream.of("sluice-agent(8)", "nft(8)", "conntrack(8)")
            : Stream.concat(
                Stream.of(new ManualPage(above).reference()),
                new ManualPage(above)
                    .below().stream()
                        .filter(one -> !one.name().equals(name()))
                        .map(ManualPage::reference));
    return pages.collect(Collectors.joining(", "));
  }
}
