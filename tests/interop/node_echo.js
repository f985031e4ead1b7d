// node_echo: connects, sends a text, and prints what came back and how the connection ended, as one line of JSON.
//
// Usage: node node_echo.js HOST PORT CA_FILE VERSION TEXT
//
// SPDX-License-Identifier: Apache-2.0
'use strict';

const fs = require('fs');
const tls = require('tls');

const [host, port, caFile, version, text] = process.argv.slice(2);
const report = {echoed: '', ended: false};

// rejectUnauthorized is the default: a certificate that doesn't verify is an error.
const socket = tls.connect({
  host,
  port: Number(port),
  servername: 'localhost',
  ca: fs.readFileSync(caFile),
  minVersion: version,
  maxVersion: version,
});
socket.setEncoding('utf8');
socket.setTimeout(20000, () => socket.destroy(new Error('nothing came for 20 s')));
socket.on('secureConnect', () => {
  report.authorized = socket.authorized;
  report.version = socket.getProtocol();
  socket.write(text);
});
socket.on('data', (data) => {
  report.echoed += data;
  if (report.echoed.length >= text.length) socket.end();  // close_notify and FIN
});
socket.on('end', () => { report.ended = true; });
socket.on('error', (error) => { report.error = error.code || error.message; });
socket.on('close', () => { console.log(JSON.stringify(report)); });
