package dev.sluice.packaging;

import dev.sluice.testing.Ran;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A package file. */
record BuiltPackage(Path file) {
  static final Path PROJECT =
      Path.of(System.getProperty("sluice.project.dir")).toAbsolutePath().normalize();

  /** The one that the build has made. */
  static BuiltPackage built() {
    Path directory = Path.of(System.getProperty("sluice.packages.dir"));
    try (Stream<Path> files = Files.list(directory)) {
      List<Path> found =
          files.filter(file -> file.getFileName().toString().matches("sluice_.*\\.deb")).toList();
      if (found.size() != 1) {
        throw new AssertionError("expected one sluice_*.deb in " + directory + ", found " + found);
      }
      return new BuiltPackage(found.get(0).toAbsolutePath());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + directory, e);
    }
  }

  /** A field of its control file. */
  String field(String name) {
    return Ran.run("dpkg-deb", "--field", file.toString(), name).orFail().stdout().strip();
  }

  /** One line for each file, as {@code ls -l} writes them: mode, owner, size, date, path. */
  List<String> contents() {
    return Ran.run("dpkg-deb", "--contents", file.toString()).orFail().stdout().lines().toList();
  }

  /** Unpacks its files. */
  void extractTo(Path directory) {
    Ran.run("dpkg-deb", "--extract", file.toString(), directory.toString()).orFail();
  }

  /** The same package with another version, built by {@code dpkg-deb}. */
  BuiltPackage as(String version, Path directory) {
    Path tree = directory.resolve("tree-" + version);
    Path made = directory.resolve("sluice-" + version + ".deb");
    Ran.run("dpkg-deb", "--raw-extract", file.toString(), tree.toString()).orFail();
    Path control = tree.resolve("DEBIAN/control");
    try {
      Files.writeString(
          control,
          Files.readString(control).replaceAll("(?m)^Version: .*$", "Version: " + version));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot change " + control, e);
    }
    Ran.run(
            "dpkg-deb",
            "--root-owner-group",
            "-Zgzip",
            "-z1",
            "--build",
            tree.toString(),
            made.toString())
        .orFail();
    return new BuiltPackage(made);
  }
}
