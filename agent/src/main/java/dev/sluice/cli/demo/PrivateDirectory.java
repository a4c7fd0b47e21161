package dev.sluice.cli.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;

/** Where the agent of the demo has its socket and its log; only root gets in. */
record PrivateDirectory(Path path) implements AutoCloseable {

  static PrivateDirectory create(Path path) throws IOException {
    Files.createDirectory(
        path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-x---")));
    return new PrivateDirectory(path);
  }

  /** Deletes it and the files in it; there are no directories in it. */
  @Override
  public void close() throws IOException {
    List<Path> files;
    try (Stream<Path> listing = Files.list(path)) {
      files = listing.toList();
    }
    for (Path file : files) {
      Files.deleteIfExists(file);
    }
    Files.deleteIfExists(path);
  }
}
