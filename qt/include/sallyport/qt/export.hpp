// What a shared library of the Qt module shows.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_EXPORT_HPP
#define SALLYPORT_QT_EXPORT_HPP

#include <QtCore/qglobal.h>

#if defined(SALLYPORT_QT_BUILD)
#define SALLYPORT_QT_EXPORT Q_DECL_EXPORT
#else
#define SALLYPORT_QT_EXPORT Q_DECL_IMPORT
#endif

#endif
