"""Where items come from: files, patterns and lists become numbered JSON records, streamed."""
