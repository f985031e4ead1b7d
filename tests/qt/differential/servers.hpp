// servers: the names QSslServer and QSslSocket, which are Qt's own, or ours.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_DIFFERENTIAL_SERVERS_HPP
#define SALLYPORT_TESTS_QT_DIFFERENTIAL_SERVERS_HPP

#ifdef SALLYPORT
#include <sallyport/qt/QSslServer>
#else
#include <QSslServer>
#include <QSslSocket>
#endif

#endif
