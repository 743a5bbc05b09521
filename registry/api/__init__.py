"""The native HTTP API: parse, authorise, call one service, render. No rule of the domain lives here."""
